"""Finding a voice by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import InputError
from dlpo_serving import voices


@pytest.fixture(autouse=True)
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two voices that came with the package, and a folder that is none."""
    folder = tmp_path / "voices"
    for name in ("ben", "anna"):
        (folder / name).mkdir(parents=True)
        (folder / name / "voice.json").write_text("{}")
    (folder / "empty").mkdir()
    monkeypatch.setattr(voices, "_EMBEDDED", folder)
    return folder


def test_the_voices_that_came_along_are_known() -> None:
    assert voices.known_voices() == ["anna", "ben"]


def test_a_name_leads_to_its_bundle(embedded: Path) -> None:
    assert voices.find_voice("anna") == embedded / "anna"


def test_a_path_stands_for_itself(tmp_path: Path) -> None:
    zipped = tmp_path / "carol.dlpo"
    zipped.touch()

    assert voices.find_voice(zipped) == zipped
    assert voices.find_voice(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["dora", "../anna", "no/such/path"])
def test_an_unknown_voice_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(InputError, match="anna, ben came with dlpo"):
        voices.find_voice(name)
