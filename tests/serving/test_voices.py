"""Opening a voice: its own words, and names that are none."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from dlpo.bundle import MANIFEST, Bundle
from dlpo.errors import InputError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice


def first_phonemes(voice: Path, **request: dict[str, str]) -> str:
    utterance = open_voice(voice).read(SpeechRequest("Tomato.", **request))
    return " ".join(utterance.sentences[0].words[0].phonemes)


@pytest.fixture
def voice_with_words(tiny_bundle: Path, tmp_path: Path) -> Path:
    """`tiny_bundle` with a dictionary of its own."""
    voice = tmp_path / "voice"
    shutil.copytree(tiny_bundle, voice)
    manifest = Bundle.load(voice).manifest
    own = dataclasses.replace(manifest, dictionary={"tomato": "T AH0 M AA1 T OW2"})
    (voice / MANIFEST).write_bytes(own.to_json())
    return voice


def test_voice_says_a_word_its_own_way(tiny_bundle: Path, voice_with_words: Path) -> None:
    assert first_phonemes(tiny_bundle) != "T AH0 M AA1 T OW2"
    assert first_phonemes(voice_with_words) == "T AH0 M AA1 T OW2"


def test_request_knows_better_than_the_voice(voice_with_words: Path) -> None:
    assert first_phonemes(voice_with_words, dictionary={"tomato": "T UW1"}) == "T UW1"


def test_unknown_voice_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(InputError, match="no voice 'hal9000'"):
        open_voice("hal9000")
