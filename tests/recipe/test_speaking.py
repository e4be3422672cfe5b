"""Processes that speak at the same time."""

from pathlib import Path

import pytest

from recipe.speech.plan import TARGETS
from recipe.speech.speaking import Folders, locked, speak


def folders(tmp_path: Path) -> Folders:
    """Without a teacher, so that every process fails."""
    return Folders(tmp_path / "speech", tmp_path, tmp_path, tmp_path, None)


def test_a_voice_is_spoken_by_one_process(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(SystemExit, match="another process"):
        locked(tmp_path)
    locked(tmp_path).close()


def test_a_failed_process_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="a process ended with 1"):
        speak(folders(tmp_path), jobs=2)
    for target in TARGETS:
        locked(tmp_path / "speech" / target.voice).close()  # nobody speaks any more
