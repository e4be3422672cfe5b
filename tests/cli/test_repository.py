"""Files of the repository are found from inside a clone, and missed with what to do."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from dlpo import errors, repository
from dlpo.errors import InputError
from dlpo.repository import checkpoint_at, from_repository


def test_a_clone_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    installed = tmp_path / "site-packages" / "dlpo" / "repository.py"
    monkeypatch.setattr(repository, "__file__", str(installed))
    (tmp_path / "voices").mkdir()

    assert from_repository(Path("voices")) == tmp_path / "voices"


def test_installed_checkpoints_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "site-packages" / repository.PACKAGE
    (package / "voices").mkdir(parents=True)
    monkeypatch.setattr(repository, "__file__", str(package.parent / "dlpo" / "repository.py"))
    monkeypatch.syspath_prepend(package.parent)

    (package / "voices/spectral/tuned").mkdir(parents=True)
    (package / "voices/mini/checkpoint").mkdir(parents=True)

    assert from_repository(Path("voices")) == package / "voices"
    assert checkpoint_at(Path("voices/spectral/tuned")) == package / "voices/spectral/tuned"
    assert checkpoint_at(Path("mini")) == package / "voices/mini/checkpoint"
    assert checkpoint_at(Path("runs/mine")) == Path("runs/mine")
    with pytest.raises(InputError, match=r"run: pip install '.*/voices'"):
        from_repository(Path("nowhere"))


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({"url": "https://a.example/d.git", "vcs_info": {"vcs": "git"}},
         "pip install 'dlpo-checkpoints @ git+https://a.example/d.git#subdirectory=voices'"),
        ({"url": "file://TMP/clone"}, "pip install 'TMP/clone/voices'"),
        ({"url": "file://TMP/dlpo-1.whl"}, "pip install 'TMP/dlpo_checkpoints-1.whl'"),
        ({}, "pip install ./voices in a clone"),
    ],
    ids=["git", "clone", "wheel", "unknown"],
)  # fmt: skip
def test_the_remedy_fits_how_dlpo_was_installed(
    origin: dict[str, Any], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clone/voices").mkdir(parents=True)
    (tmp_path / "clone/voices/pyproject.toml").touch()
    for wheel in ("dlpo-1.whl", "dlpo_checkpoints-1.whl"):
        (tmp_path / wheel).touch()
    monkeypatch.chdir(tmp_path)
    installed = json.dumps(origin).replace("TMP", str(tmp_path))
    monkeypatch.setattr(errors, "_ROOT", tmp_path / "site-packages")
    monkeypatch.setattr(metadata.PathDistribution, "read_text", lambda self, name: installed)

    assert command.replace("TMP", str(tmp_path)) in errors.pip_install_checkpoints()
