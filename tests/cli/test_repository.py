"""Files of the repository are found from inside a clone, and missed with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo import repository
from dlpo.errors import InputError
from dlpo.repository import from_repository


def test_a_clone_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    installed = tmp_path / "site-packages" / "dlpo" / "repository.py"
    monkeypatch.setattr(repository, "__file__", str(installed))
    (tmp_path / "voices").mkdir()

    assert from_repository(Path("voices"), "") == tmp_path / "voices"
    with pytest.raises(InputError, match="clone it"):
        from_repository(Path("nowhere"), "clone it")
