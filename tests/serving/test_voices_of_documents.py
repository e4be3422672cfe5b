"""SSML with several voices: each passage is spoken by its own, by every protocol alike."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import Waveform, to_pcm16
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speaking import Voice
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import command
from tests.serving.conftest import RunningServer, running_server
from tests.serving.protocols.callers import by_way

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


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[RunningServer]:
    with running_server(synthesizer, http_port=0, wyoming_port=0) as server:
        yield server


@pytest.mark.parametrize("way", ["gRPC, whole", "speech", "Riva", "Wyoming, whole"])
def test_every_protocol_gives_the_same_bits(
    way: str, server: RunningServer, synthesizer: Synthesizer
) -> None:
    here = to_pcm16(synthesizer.speak(SpeechRequest(MIXED))).tobytes()
    assert by_way(way, server, MIXED, voice="") == here
    assert here != to_pcm16(synthesizer.speak(SpeechRequest(document("", "", "")))).tobytes()


def test_python_and_the_command_line_speak_it_too(
    voices_bundle: Path, synthesizer: Synthesizer, tmp_path: Path
) -> None:
    here = to_pcm16(synthesizer.speak(SpeechRequest(MIXED)))
    np.testing.assert_array_equal(to_pcm16(Voice(voices_bundle, mark=None)(MIXED)), here)
    out = tmp_path / "said.wav"
    options = ("--voice", voices_bundle, "-o", out, "--ssml", "strict", "--mark", "off")
    result = command("say", MIXED, *options)
    assert result.exit_code == 0, result.output
    with wave.open(io.BytesIO(out.read_bytes())) as file:
        np.testing.assert_array_equal(np.frombuffer(file.readframes(1 << 20), "<i2"), here)
