"""The licences of what `pip install 'dlpo[serve]'` brings, as far as packages tell, and beyond."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )(AGPL|GPL|General Public License)", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)
GPL_LIBRARIES = re.compile(r"lib(x264|x265|xvid|fdk-aac|postproc|rubberband|vidstab)", re.I)
KNOWN_TO_BUNDLE = {"av"}  # docs/security.md says what that means, and how to do without


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


def licence(distribution: str) -> str:
    """What a distribution says of its licence: expression, else classifiers, else text."""
    about = metadata.metadata(distribution)
    if expression := about.get("License-Expression"):
        return expression
    classifiers = about.get_all("Classifier") or []
    told = [one.split("::")[-1].strip() for one in classifiers if one.startswith("License ::")]
    return ", ".join(told) or (about.get("License") or "").split("\n")[0]


def test_the_default_install_says_of_every_package_under_which_licence() -> None:
    silent = {name for name in closure("serve") if not licence(name)}

    assert silent == set()


@pytest.mark.parametrize("extras", [(), ("serve",)])
def test_no_package_of_the_default_install_is_under_the_gpl(extras: tuple[str, ...]) -> None:
    copyleft = {name: licence(name) for name in closure(*extras)}

    assert {name: said for name, said in copyleft.items() if COPYLEFT.search(said)} == {}


def test_the_only_package_under_the_lgpl_is_the_resampler() -> None:
    assert {name for name in closure("serve") if LESSER.search(licence(name))} == {"soxr"}


def test_the_base_install_has_no_package_under_the_lgpl() -> None:
    assert {name for name in closure() if LESSER.search(licence(name))} == set()


def test_libraries_under_the_gpl_come_only_with_the_package_that_is_known_for_it() -> None:
    """A wheel's metadata speaks of its own code, not of the libraries that lie inside."""
    bundling = {
        name
        for name in closure("serve")
        for file in metadata.files(name) or ()
        if GPL_LIBRARIES.search(file.name)
    }

    assert bundling <= KNOWN_TO_BUNDLE
    told = (ROOT / "docs" / "security.md").read_text("utf-8")
    assert all(f"`{name}`" in told for name in KNOWN_TO_BUNDLE)


@pytest.mark.parametrize(
    ("said", "strong"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v2 (GPLv2)", True),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Apache-2.0 AND MIT", False),
    ],
)
def test_the_lesser_licence_is_told_from_the_others(said: str, strong: bool) -> None:
    assert bool(COPYLEFT.search(said)) is strong
