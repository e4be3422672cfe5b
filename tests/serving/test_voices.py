"""Finding a voice by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import InputError
from dlpo_serving import voices


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One voice inside the wheel, one in the checkout."""
    for folder in ("wheel/anna", "checkout/ben/bundle"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "voice.json").write_text("{}")
    monkeypatch.setattr(voices, "_IN_WHEEL", tmp_path / "wheel")
    monkeypatch.setattr(voices, "_IN_CHECKOUT", tmp_path / "checkout")


def test_voices_of_wheel_and_checkout_are_known() -> None:
    assert voices.known_voices() == ["anna", "ben"]


def test_a_name_leads_to_its_bundle(tmp_path: Path) -> None:
    assert voices.find_voice("anna") == tmp_path / "wheel/anna"
    assert voices.find_voice("ben") == tmp_path / "checkout/ben/bundle"


def test_a_path_stands_for_itself(tmp_path: Path) -> None:
    zipped = tmp_path / "carol.dlpo"
    zipped.touch()

    assert voices.find_voice(zipped) == zipped
    assert voices.find_voice(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["dora", "../anna", "no/such/path"])
def test_an_unknown_voice_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(InputError, match="expected one of anna, ben"):
        voices.find_voice(name)
