"""Opening a voice: its own words, names that are none, bundles with several voices, mixes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from dlpo.bundle import MANIFEST, Bundle
from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.client import SpeechClient
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
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


REQUEST = SpeechRequest("Tomato.", seed=1)


@pytest.fixture(scope="module")
def synthesizer(voices_bundle: Path) -> Synthesizer:
    return open_voice(voices_bundle)


def test_voices_sound_different_and_mix(synthesizer: Synthesizer) -> None:
    ann, bob, mixed = (
        synthesizer.speaking(name).speak(REQUEST) for name in ("ann", "bob", "ann*3+bob")
    )
    np.testing.assert_array_equal(ann, synthesizer.speak(REQUEST))  # the default
    np.testing.assert_array_equal(ann, synthesizer.speaking("ann*2").speak(REQUEST))
    assert len(ann) != len(bob) or np.abs(ann - bob).max() > 1e-3
    assert len(ann) != len(mixed) or np.abs(ann - mixed).max() > 1e-3


@pytest.mark.parametrize(
    "mix", ["carl", "ann+", "ann*-1", "ann*0", "ann*1e3", "ann bob", "ann\n", "ann\u3000", ""]
)
def test_a_mix_that_makes_no_voice_is_refused(voices_bundle: Path, mix: str) -> None:
    with pytest.raises(InputError, match="voice is"):
        Bundle.load(voices_bundle).manifest.shares(mix)


def test_shares_are_normalized(voices_bundle: Path) -> None:
    manifest = Bundle.load(voices_bundle).manifest
    assert manifest.shares("bob*0.5 + ann*1.5") == (0.75, 0.25)


def test_a_server_offers_every_voice_and_mix(
    synthesizer: Synthesizer, start_server: Callable[..., Any]
) -> None:
    server = start_server(synthesizer)
    with SpeechClient(server.address) as client:
        assert [voice.name for voice in client.voices()] == ["ann", "bob"]
        for name in ("bob", "ann*0.5+bob*0.5"):
            served = client.speak(REQUEST, name).samples
            expected = synthesizer.speaking(name).speak(REQUEST)
            np.testing.assert_allclose(served, expected, atol=1e-4)
        for wrong, told in {"ann*0.5+carl": "ann, bob", "ann*0": "'ann.0'; .* above 0"}.items():
            with pytest.raises(InputError, match=told):
                client.speak(REQUEST, wrong)
        config = speech_pb2.SynthesisConfig(voice="ann*0+bob*0")
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.Synthesize(speech_pb2.SynthesizeRequest(text="Hi.", config=config))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
