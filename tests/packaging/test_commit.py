"""Which commit the code says it is of: baked in, of its own checkout, or none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dlpo import commit
from dlpo.commit import COMMIT_FILE, source_commit


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository, with one commit of one file."""
    (tmp_path / "README").write_text("theirs\n")
    for arguments in ("init -q", "add README", "commit -q -m one"):
        git(tmp_path, *arguments.split())
    return tmp_path


def test_what_the_build_wrote_goes_before_git(repository: Path) -> None:
    (repository / COMMIT_FILE).write_text("60911d3\n")
    assert source_commit(repository) == "60911d3"


def test_installed_package_ignores_an_enclosing_repository(repository: Path) -> None:
    package = repository / ".venv" / "dlpo"
    package.mkdir(parents=True)
    (package / "commit.py").touch()
    assert source_commit(package) is None


def test_checkout_reports_commit_and_changes(repository: Path) -> None:
    module = repository / Path(commit.__file__).name
    module.touch()
    git(repository, "add", module.name)
    changed = source_commit(repository)
    git(repository, "commit", "-q", "-m", "two")
    clean = source_commit(repository)
    assert changed is not None
    assert clean is not None
    assert changed.endswith("+")
    assert not clean.endswith("+")
