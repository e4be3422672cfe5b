"""The sdist is enough to build the wheel, which speaks where there is no checkout."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from dlpo_cli import demo, new_voice
from recipe.carry import DATA_ONLY
from tests.callers import built

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, where there is no git."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **DATA_ONLY)
    (tree,) = folder.iterdir()
    return built(tree, tmp_path_factory.mktemp("wheel"))


def test_the_sdist_holds_no_tests_records_or_checkpoints(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]

    assert {"pyproject.toml", "hatch_build.py", "LICENSE", "CHANGELOG.md"} <= set(names)
    for outside in ("tests/", "voices/", "benchmarks/records/", "deploy/", ".git/", "runs/"):
        assert not [name for name in names if name.startswith(outside)]


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    own = zipfile.ZipFile(built(ROOT, tmp_path))
    theirs = zipfile.ZipFile(wheel)

    assert set(own.namelist()) == set(theirs.namelist())


def test_the_checkpoints_wheel_has_what_commands_start_from(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(built(ROOT / "voices", tmp_path))

    names = set(wheel.namelist())
    for path in (new_voice.CHECKPOINT, demo.CHECKPOINT):
        for file in (ROOT / path).iterdir():
            assert f"dlpo_checkpoints/{file.relative_to(ROOT)}" in names
    assert {f"dlpo_checkpoints/{path}" for path in (demo.TEXTS, demo.WITHOUT)} <= names
    assert not [name for name in names if name.endswith(".py")]
