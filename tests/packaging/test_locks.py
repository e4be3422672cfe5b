"""The locks of the images hold what pyproject.toml asks for, by hash, and nothing under the GPL."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {  # lock -> extras, as scripts/lock has them
    "serve": ("serve",),
    "cpu": ("serve", "otel", "wyoming"),
    "gpu": ("serve", "gpu", "otel", "tensorrt"),
    "gpu-cuda12": ("serve", "gpu-cuda12", "otel", "tensorrt-cuda12"),
    "train": ("train", "export", "bench"),
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
AGAIN = "run: scripts/lock"
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )(AGPL|GPL|General Public License)", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)
GPL_LIBRARIES = re.compile(r"lib(x264|x265|xvid|fdk-aac|postproc|rubberband|vidstab)", re.I)
LIBSNDFILE = {"soundfile"}  # its own code is BSD; the library inside its wheel is LGPL
KNOWN_TO_BUNDLE = {"av"}  # docs/security.md says what that means
TO_BUILD_PLANS = {"onnx", "ml-dtypes"}  # under the Apache licence
OF_NVIDIA = re.compile(r"cuda-|nvidia-|tensorrt|onnxruntime-gpu$")  # not installed here


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each entry of a lock with its hashes."""
    text = (ROOT / "deploy/locks" / f"{name}.txt").read_text("utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
    entries = []
    for entry in plain.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        entries.append((Requirement(requirement), hashes))
    return entries


def versions(name: str, python: str) -> dict[str, Version]:
    """Package -> version that pip takes from a lock on Linux with this Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    found = {}
    for requirement, _ in locked(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            found[canonicalize_name(requirement.name)] = Version(pin.version)
    return found


def declared(name: str) -> list[Requirement]:
    """What pyproject.toml asks for in the extras of a lock."""
    optional = PROJECT["optional-dependencies"]
    lines = [
        *PROJECT["dependencies"],
        *(line for extra in EXTRAS[name] for line in optional[extra]),
    ]
    requirements = map(Requirement, lines)  # onnxruntime-gpu is the same module as onnxruntime
    return [one for one in requirements if one.name != "onnxruntime" or "gpu" not in name]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_holds_what_its_extras_ask_for(name: str, python: str) -> None:
    found = versions(name, python)

    for requirement in declared(name):
        version = found.get(canonicalize_name(requirement.name))
        assert version is not None, f"deploy/locks/{name}.txt lacks {requirement}; {AGAIN}"
        assert version in requirement.specifier, f"{requirement}: {version} is locked; {AGAIN}"


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_holds_the_versions_that_are_tested(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {
        canonicalize_name(pin.name): pin.specifier
        for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))
    }

    if name == "gpu-cuda12":  # the pins are for CUDA 13
        pins = {package: pin for package, pin in pins.items() if not package.startswith("cuda-")}
    for package, version in versions(name, "3.11").items():
        assert package not in pins or version in pins[package], f"{package} {version}; {AGAIN}"


@pytest.mark.parametrize("name", ["build", *EXTRAS])
def test_locked_files_have_hashes_and_no_addresses(name: str) -> None:
    for requirement, hashes in locked(name):
        assert requirement.url is None
        assert hashes, f"{requirement} has no hash; {AGAIN}"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)

    assert "://" not in (ROOT / "deploy/locks" / f"{name}.txt").read_text("utf-8")


def test_servers_are_locked_without_torch() -> None:
    for name in ("serve", "cpu", "gpu", "gpu-cuda12"):
        assert "torch" not in versions(name, "3.11")
    for name in ("gpu", "gpu-cuda12"):
        assert "onnxruntime" not in versions(name, "3.11")  # the same module as onnxruntime-gpu


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("name", "cuda", "tensorrt"), [("gpu", 13, (11, 4)), ("gpu-cuda12", 12, (10, 9))]
)
def test_a_lock_for_gpus_is_of_one_cuda(
    name: str, cuda: int, tensorrt: tuple[int, int], python: str
) -> None:
    found = versions(name, python)

    assert found["cuda-bindings"].major == cuda
    assert found[f"tensorrt-cu{cuda}-bindings"].release[:2] == tensorrt
    runtime = "nvidia-cuda-runtime" + ("-cu12" if cuda == 12 else "")
    assert found[runtime].major == cuda
    other = f"cu{25 - cuda}"
    assert not [package for package in found if other in package]


@pytest.mark.full
@pytest.mark.parametrize("name", ["gpu", "gpu-cuda12"])
def test_uv_resolves_an_environment_of_gpus(name: str, tmp_path: Path) -> None:
    """From nothing, as pip would; `scripts/lock` prefers the versions that are locked."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = tmp_path / "constraints.txt"
    pins.write_text("\n".join(line for line in lines if name == "gpu" or line[:5] != "cuda-"))
    asked = [word for extra in EXTRAS[name] for word in ("--extra", extra)]
    resolve = [shutil.which("uv") or "uv", "pip", "compile", "--universal", "--python-version"]
    done = subprocess.run(
        [*resolve, "3.11", "--no-annotate", "--constraints", pins, *asked, "pyproject.toml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Failed to fetch" in done.stderr:
        pytest.skip("needs packages from a package index")
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.splitlines())
    nvidia = {f"{p}=={v}" for p, v in versions(name, "3.11").items() if "tensorrt" in p}
    assert nvidia
    assert nvidia <= found


def closure(*extras: str) -> set[str]:
    """Every distribution that dlpo with these extras asks for on this system."""
    seen: dict[str, set[str]] = {}
    todo = [("dlpo", set(extras))]
    while todo:
        name, asked = todo.pop()
        if name in seen and asked <= seen[name]:
            continue
        seen[name] = seen.get(name, set()) | asked
        for line in metadata.requires(name) or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in seen[name] or {""}]
            if needed.marker is None or any(map(needed.marker.evaluate, environments)):
                todo.append((canonicalize_name(needed.name), set(needed.extras)))
    return set(seen)


def names_in(lock: str) -> set[str]:
    """Every distribution that an image installs."""
    return {canonicalize_name(requirement.name) for requirement, _ in locked(lock)}


def with_gpl_libraries(distributions: Iterable[str]) -> set[str]:
    """Those in whose wheels such libraries lie: metadata speaks of a package's own code."""
    return {
        name
        for name in distributions
        for file in metadata.files(name) or ()
        if GPL_LIBRARIES.search(file.name)
    }


def licence(distribution: str) -> str:
    """What a distribution says of its licence: expression, else classifiers, else text."""
    about = metadata.metadata(distribution)
    if expression := about.get("License-Expression"):
        return expression
    classifiers = about.get_all("Classifier") or []
    declared = [one.split("::")[-1].strip() for one in classifiers if one.startswith("License ::")]
    return ", ".join(declared) or (about.get("License") or "").split("\n")[0]


def test_every_default_package_states_its_licence() -> None:
    silent = {name for name in closure("serve") if not licence(name)}

    assert silent == set()


def test_no_package_of_the_default_install_is_under_the_gpl() -> None:
    copyleft = {name: licence(name) for name in closure("serve")}

    assert {name: said for name, said in copyleft.items() if COPYLEFT.search(said)} == {}
    assert with_gpl_libraries(closure("serve")) == set()


def test_lgpl_packages_are_the_known_ones() -> None:
    said = {name for name in closure("serve") if LESSER.search(licence(name))}
    bundling = {
        name
        for name in closure("serve")
        for file in metadata.files(name) or ()
        if file.name == "COPYING" and LESSER.search(file.read_text())
    }

    assert (said, bundling) == ({"soxr"}, LIBSNDFILE)


def test_gpl_libraries_come_with_one_known_package() -> None:
    assert with_gpl_libraries(closure("serve", "codecs")) <= KNOWN_TO_BUNDLE
    declared = (ROOT / "docs" / "security.md").read_text("utf-8")
    assert all(f"`{name}`" in declared for name in KNOWN_TO_BUNDLE)


@pytest.mark.parametrize("lock", ["serve", "cpu", "train"])
def test_nothing_in_a_lock_is_under_the_gpl_or_brings_it(lock: str) -> None:
    installed = {canonicalize_name(one.metadata["Name"]) for one in metadata.distributions()}
    packages = names_in(lock) & installed

    assert len(packages) > 20
    assert not names_in(lock) & KNOWN_TO_BUNDLE
    assert {name for name in packages if COPYLEFT.search(licence(name))} == set()
    assert with_gpl_libraries(packages) == set()


def test_the_image_for_gpus_adds_the_makers_own_packages_alone() -> None:
    added = names_in("gpu") - names_in("cpu") - TO_BUILD_PLANS

    assert {name for name in added if not OF_NVIDIA.match(name)} == set()
