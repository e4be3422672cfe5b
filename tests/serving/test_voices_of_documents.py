"""SSML with several voices: each passage is spoken by its own, by every protocol alike."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import Waveform, to_pcm16
from dlpo.v1 import speech_pb2
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speaking import Voice
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer
from tests.serving.spoken_by import by_http, by_riva, by_wyoming

RATE_HZ = 22_050
TEXTS = "One fish.", "Two more fish.", "A red fish."


def document(*voices: str) -> str:
    """The texts, each inside a voice of that name; "" is none."""
    passages = (
        f'<voice name="{voice}">{text}</voice>' if voice else text
        for voice, text in zip(voices, TEXTS, strict=True)
    )
    return f"<speak>{' '.join(passages)}</speak>"


MIXED = document("", "bob", "")


@pytest.fixture(scope="module")
def synthesizer(voices_bundle: Path) -> Synthesizer:
    return open_voice(voices_bundle, mark=None)  # ann; bob too. A mark counts all samples


def by_sentence(synthesizer: Synthesizer, text: str, *ladder: int) -> list[Waveform]:
    request = synthesizer.read(SpeechRequest(text, seed=3))
    sizes = {"ladder": ladder} if ladder else {}
    parts: dict[int, list[Waveform]] = {}
    for chunk in synthesizer.stream(request, **sizes):
        parts.setdefault(chunk.sentence, []).append(chunk.samples)
    return [np.concatenate(parts[index]) for index in sorted(parts)]


def test_each_passage_is_spoken_by_its_voice(synthesizer: Synthesizer) -> None:
    ann, bob, mixed = (
        by_sentence(synthesizer, document(*names))
        for names in (("", "", ""), ("bob", "bob", "bob"), ("", "bob", "ann"))
    )
    assert not np.array_equal(ann[1], bob[1])
    for found, expected in zip(mixed, (ann[0], bob[1], ann[2]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_chunks_of_several_voices_are_the_whole(synthesizer: Synthesizer) -> None:
    whole = np.concatenate(by_sentence(synthesizer, MIXED))
    for ladder in ((2,), (8, 24), (1000,)):
        np.testing.assert_allclose(
            np.concatenate(by_sentence(synthesizer, MIXED, *ladder)), whole, atol=2e-3
        )


@pytest.mark.parametrize(
    ("names", "spoken_by"),
    [
        (("BOB", "ann", ""), ("bob", "", "")),
        (("ann*1+bob*3", "alloy", "onyx"), ("ann*1+bob*3", "", "")),
        (("en-US-GuyNeural", "bob", "carl"), ("", "bob", "")),
    ],
)
def test_names_are_those_of_the_bundle_or_the_callers_voice(
    synthesizer: Synthesizer, names: tuple[str, ...], spoken_by: tuple[str, ...]
) -> None:
    read = synthesizer.read(SpeechRequest(document(*names)))
    assert tuple(sentence.voice for sentence in read.sentences) == spoken_by
    unknown = [name for name in names if name in ("en-US-GuyNeural", "carl")]
    assert len(read.warnings) == len(unknown)
    told = zip(unknown, read.warnings, strict=True)
    assert all(f"no voice {name!r}" in line for name, line in told)


def test_a_strict_reader_wants_voices_that_there_are(synthesizer: Synthesizer) -> None:
    assert synthesizer.read(SpeechRequest(MIXED, ssml="strict")).warnings == ()
    with pytest.raises(RequestError, match="no voice 'carl', only ann, bob"):
        synthesizer.read(SpeechRequest(document("", "carl", ""), ssml="strict"))


def test_voices_nest(synthesizer: Synthesizer) -> None:
    text = (
        '<speak>One <voice name="bob">two <voice name="ann">three</voice> four</voice> five.'
        "</speak>"
    )
    read = synthesizer.read(SpeechRequest(text))
    assert [(s.normalized, s.voice) for s in read.sentences] == [
        ("one", ""), ("two", "bob"), ("three", ""), ("four", "bob"), ("five", ""),
    ]  # fmt: skip


def by_stream(server: RunningServer) -> bytes:
    call = server.stub.StreamSynthesize(speech_pb2.StreamSynthesizeRequest(ssml=MIXED))
    return b"".join(reply.audio.audio for reply in call)


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[RunningServer]:
    from tests.serving.conftest import running_server

    with running_server(synthesizer, http_port=0, wyoming_port=0) as server:
        yield server


@pytest.mark.parametrize(
    "speak",
    [
        by_stream,
        partial(by_http, path="/v1/audio/speech", input=MIXED, response_format="pcm",
                sample_rate=RATE_HZ),
        partial(by_riva, text=MIXED, sample_rate_hz=RATE_HZ),
        partial(by_wyoming, text=MIXED, text_format="ssml"),
    ],
    ids=["gRPC", "HTTP", "Riva", "Wyoming"],
)  # fmt: skip
def test_every_protocol_gives_the_same_bits(
    server: RunningServer, synthesizer: Synthesizer, speak: Callable[[RunningServer], bytes]
) -> None:
    request = speech_pb2.SynthesizeRequest(ssml=MIXED)
    by_grpc = server.stub.Synthesize(request, timeout=WAIT_S)
    here = to_pcm16(synthesizer.speak(SpeechRequest(MIXED))).tobytes()
    assert speak(server) == by_grpc.audio == here
    assert here != to_pcm16(synthesizer.speak(SpeechRequest(document("", "", "")))).tobytes()


def test_python_and_the_command_line_speak_it_too(
    voices_bundle: Path, synthesizer: Synthesizer, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from dlpo_cli import app

    here = to_pcm16(synthesizer.speak(SpeechRequest(MIXED)))
    np.testing.assert_array_equal(to_pcm16(Voice(voices_bundle, mark=None)(MIXED)), here)
    out = tmp_path / "said.wav"
    arguments = ["say", MIXED, "--voice", str(voices_bundle), "-o", str(out), "--ssml", "strict",
                 "--mark", "off"]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    with wave.open(io.BytesIO(out.read_bytes())) as file:
        np.testing.assert_array_equal(np.frombuffer(file.readframes(1 << 20), "<i2"), here)
