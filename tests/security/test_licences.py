"""The licences of what `dlpo[serve]` and the images bring, as declared and as found."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )(AGPL|GPL|General Public License)", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)
GPL_LIBRARIES = re.compile(r"lib(x264|x265|xvid|fdk-aac|postproc|rubberband|vidstab)", re.I)
LIBSNDFILE = {"soundfile"}  # its own code is BSD; the library inside its wheel is LGPL
KNOWN_TO_BUNDLE = {"av"}  # docs/security.md says what that means
TO_BUILD_PLANS = {"onnx", "ml-dtypes"}  # under the Apache licence
OF_NVIDIA = re.compile(r"cuda-|nvidia-|tensorrt|onnxruntime-gpu$")  # not installed here


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


def locked(name: str) -> set[str]:
    """Every distribution that an image installs."""
    lines = (ROOT / "deploy/locks" / f"{name}.txt").read_text("utf-8").splitlines()
    return {
        canonicalize_name(line.split("==")[0]) for line in lines if re.match(r"[\w.-]+==", line)
    }


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
    packages = locked(lock) & installed

    assert len(packages) > 20
    assert not locked(lock) & KNOWN_TO_BUNDLE
    assert {name for name in packages if COPYLEFT.search(licence(name))} == set()
    assert with_gpl_libraries(packages) == set()


def test_the_image_for_gpus_adds_the_makers_own_packages_alone() -> None:
    added = locked("gpu") - locked("cpu") - TO_BUILD_PLANS

    assert {name for name in added if not OF_NVIDIA.match(name)} == set()
