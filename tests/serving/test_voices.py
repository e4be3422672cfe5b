"""Opening a voice: its own words, several voices in a bundle, mixes, and what it costs."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from dlpo.bundle import MANIFEST, Bundle
from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.client import SpeechClient
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import Costs
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.costs import measure_costs
from dlpo_serving.voices.registry import open_voices
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import fake_voice
from tests.fake_engine import FakeEngine
from tests.serving.conftest import StartServer

REQUEST = SpeechRequest("Tomato.", seed=1)
ENCODE_S, SYMBOL_S = 0.004, 0.0001
BLOCK_S, FRAME_S = 0.002, 0.00005
WINDOW_S, WINDOW_FRAME_S = 0.003, 0.0002


def first_phonemes(voice: Path | Synthesizer, **request: dict[str, str]) -> str:
    opened = voice if isinstance(voice, Synthesizer) else open_voice(voice)
    utterance = opened.read(SpeechRequest("Tomato.", **request))
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


def test_a_servers_words_are_for_callers_who_bring_none(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("tomato T AH0 M AA1 T OW2\n")
    settings = ServerSettings(voices=(str(tiny_bundle),), dictionary=tmp_path / "words.txt")
    (voice,) = open_voices(settings)
    assert first_phonemes(voice) == "T AH0 M AA1 T OW2"
    assert first_phonemes(voice, dictionary={"tomato": "T OW1"}) == "T OW1"


def test_unknown_voice_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(InputError, match="no voice 'hal9000'"):
        open_voice("hal9000")


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
    synthesizer: Synthesizer, start_server: StartServer
) -> None:
    server = start_server(synthesizer)
    with SpeechClient(server.address) as client:
        assert [voice.name for voice in client.voices()] == ["ann", "bob"]
        mix = "ann*0.5+bob*0.5"
        for name, ours in {"bob": "bob", "BOB": "bob", mix: mix, "ann(1)+bob(1)": mix}.items():
            served = client.speak(REQUEST, name).samples
            expected = synthesizer.speaking(ours).speak(REQUEST)
            np.testing.assert_allclose(served, expected, atol=1e-4)
        for wrong, message in {"ann*0.5+carl": "ann, bob", "ann*0": "'ann.0'; .* above 0"}.items():
            with pytest.raises(InputError, match=message):
                client.speak(REQUEST, wrong)
        config = speech_pb2.SynthesisConfig(voice="ann*0+bob*0")
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.Synthesize(speech_pb2.SynthesizeRequest(text="Hi.", config=config))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


class TimedEngine(FakeEngine):
    """Takes time by a clock of its own."""

    now = 0.0

    def clock(self) -> float:
        return self.now

    def encode(self, phonemes: Ids, *more: Any) -> EncoderOutput:
        self.now += ENCODE_S + SYMBOL_S * phonemes.shape[1]
        return super().encode(phonemes, *more)

    def frames(self, encoding: EncoderOutput, counts: Ids, *more: Any) -> FrameFeatures:
        self.now += BLOCK_S + FRAME_S * (more[1] - more[0])
        return super().frames(encoding, counts, *more)

    def denoise(self, steps: int, conditioning: Floats, *more: Floats) -> Floats:
        self.now += WINDOW_S + WINDOW_FRAME_S * conditioning.shape[2]
        return super().denoise(steps, conditioning, *more)


@pytest.fixture
def costs() -> Costs:
    engine = TimedEngine()
    return Costs(measure_costs(fake_voice(engine), clock=engine.clock))


def test_the_lines_are_those_of_the_engine(costs: Costs) -> None:
    lines = costs.lines
    found = [
        (line.fixed_s, line.per_item_s) for line in (lines.encode, lines.frames, lines.denoise)
    ]
    expected = [(ENCODE_S, SYMBOL_S), (BLOCK_S, FRAME_S), (WINDOW_S, WINDOW_FRAME_S)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_begin_of_a_text_is_known_chunk_by_chunk(costs: Costs) -> None:
    made_s, spent_s = np.array(costs.lines.startup).T
    np.testing.assert_allclose(made_s[:3], np.cumsum([8, 24, 64]) / 73.5)
    assert made_s[3] >= (8 + 24 + 64 + 128) / 73.5  # it may take the rest of the sentence along
    assert np.all(np.diff(spent_s) > 0)
    assert spent_s[0] > ENCODE_S + BLOCK_S + WINDOW_S


def test_texts_teach_how_long_texts_are(costs: Costs) -> None:
    for _ in range(200):
        costs.observe_text(100, 10.0, speed=2.0)
    assert costs.audio_s(100, speed=2.0) == pytest.approx(10.0, rel=1e-3)
    assert costs.audio_s(100, speed=1.0) == pytest.approx(20.0, rel=1e-3)


def test_other_lanes_are_kept_busy_while_one_is_measured() -> None:
    threads, engine = set[int](), FakeEngine()
    denoise = engine.denoise

    def watched(*inputs: Any) -> Floats:
        threads.add(threading.get_ident())
        return denoise(*inputs)

    engine.denoise = watched
    measure_costs(fake_voice(engine), lanes=3)
    assert threading.get_ident() in threads
    assert len(threads) >= 2
