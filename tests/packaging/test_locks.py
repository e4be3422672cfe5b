"""The locks of the images hold what pyproject.toml asks for, each file by its hash."""

from __future__ import annotations

import re
import tomllib
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
