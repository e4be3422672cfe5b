"""Texts and windows of requested lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dlpo_bench.rtf.contestants import Contestant, MeasuredModel, steps_of
from dlpo_serving.engine import Engine, Floats
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.denoiser_input import DenoiserInput, Window
from dlpo_serving.synthesis.job import SENTENCE_PAUSE_S
from dlpo_serving.synthesizer import Synthesizer

PROSE = (
    "It rained.",
    "The ferry left at seven, with nine passengers and a crate of oranges.",
    "Nobody spoke.",
    "An old man by the window read one page of his newspaper until the island came in sight.",
    "On the quay a girl was waving, though not at any of them.",
    "The captain, who had made this trip four thousand times, still leaned out to see the rocks.",
    "Then the engine coughed and stopped.",
    "For a minute there was only the water, slapping the hull, and somewhere above it a gull.",
    "Is this usual?",
    "A woman in a green coat had asked it, and she seemed more curious than afraid.",
    "The mate laughed, wiped his hands, and said that the engine was thinking.",
    "It thought for a while.",
    "When it began again, everyone talked at once, about the weather, the price of fish, and a"
    " cousin who had once swum the whole way for a bet and lost.",
    "By noon the oranges were ashore.",
)


def choose_text(lengths_s: Sequence[float], seconds: float, pause_s: float) -> tuple[int, int]:
    """The sentences in a row that together come closest to a length.

    Args:
        lengths_s: of each sentence of the prose, which begins anew at its end.
        seconds: wanted.
        pause_s: between two sentences.

    Returns:
        The first sentence, and how many; of equally good ones the earliest.
    """
    best, chosen = float("inf"), (0, 1)
    for first in range(len(lengths_s)):
        length, count = -pause_s, 0
        while length < seconds:
            length += pause_s + lengths_s[(first + count) % len(lengths_s)]
            count += 1
            if abs(length - seconds) < best - 1e-9:
                best, chosen = abs(length - seconds), (first, count)
    return chosen


def text_of(first: int, count: int) -> str:
    """`count` sentences from the sentence `first` on."""
    return " ".join(PROSE[(first + i) % len(PROSE)] for i in range(count))


class Prose:
    """The prose as one voice speaks it."""

    def __init__(self, speaker: Synthesizer, engine: Engine) -> None:
        """Ask the voice how long each sentence is; no audio is made."""
        manifest = engine.manifest
        frame_s = manifest.hop_length / manifest.sample_rate_hz
        self._lengths_s = []
        for text in PROSE:
            request = SpeechRequest(text)
            sentences = speaker.read(request).sentences
            frames = [
                DenoiserInput(engine, sentence, request, manifest.steps, 0).frames
                for sentence in sentences
            ]
            pauses_s = SENTENCE_PAUSE_S * (len(frames) - 1)
            self._lengths_s.append(sum(frames) * frame_s + pauses_s)

    def of_length(self, seconds: float) -> str:
        """The text whose audio comes closest to a length."""
        return text_of(*choose_text(self._lengths_s, seconds, SENTENCE_PAUSE_S))


SPEECH, DENOISER = "speech", "denoiser"
SEED = 0  # of the noise
STRIP_TEXT_S = 20.0  # of the text that windows are cut from, again and again


class Case(Protocol):
    """One thing that every contestant does."""

    @property
    def what(self) -> str:
        """SPEECH or DENOISER."""
        ...

    @property
    def label(self) -> str:
        """Of its size, such as "5 s"; unique among those of its kind."""
        ...

    def run(self, contestant: Contestant) -> Floats:
        """Do it once; all samples of the audio, in any shape."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechCase:
    """From a text to its audio: front end, encoder, frames, every chunk."""

    seconds: float
    """that were asked for; the audio's own length is nearby"""
    text: str
    model: MeasuredModel

    what = SPEECH

    @property
    def label(self) -> str:
        return f"{self.seconds:g} s"

    def run(self, contestant: Contestant) -> Floats:
        steps = steps_of(contestant, self.model)
        speaker = contestant.speaker
        utterance = speaker.read(SpeechRequest(self.text, seed=SEED, steps=steps))
        chunks = speaker.stream(utterance, contestant.ladder)
        return np.concatenate([chunk.samples for chunk in chunks])


@dataclass(frozen=True, slots=True)
class DenoiserCase:
    """All reverse steps of windows of speech, nothing else."""

    seconds: float
    batch: int
    window: Window
    """(B, C, F), (B, F, hop_length), (K, B, F, hop_length)"""
    model: MeasuredModel

    what = DENOISER

    @property
    def label(self) -> str:
        return f"{self.seconds:g} s" + (f" x {self.batch}" if self.batch > 1 else "")

    def run(self, contestant: Contestant) -> Floats:
        steps = steps_of(contestant, self.model)
        window = self.window
        return contestant.engine.denoise(steps, window.conditioning, window.source, window.noise)


def speech_cases(
    model: MeasuredModel, by: Contestant, seconds: Sequence[float]
) -> list[SpeechCase]:
    """A text for each length.

    Args:
        by: who says how long texts are.
    """
    prose = Prose(by.speaker, by.engine)
    return [SpeechCase(length, prose.of_length(length), model) for length in sorted(seconds)]


def denoiser_cases(
    model: MeasuredModel,
    by: Contestant,
    windows_s: Sequence[float],
    batches: Sequence[int],
    batch_window_s: float,
) -> list[DenoiserCase]:
    """Windows of each length, and of one length in each batch.

    Args:
        by: who encodes the text that they are cut from.
        batch_window_s: length of the windows of a batch.
    """
    sizes = {(length, 1) for length in windows_s} | {(batch_window_s, n) for n in batches}
    manifest = by.engine.manifest
    per_second = manifest.sample_rate_hz / manifest.hop_length
    frames_of = {length: max(1, round(length * per_second)) for length, _ in sizes}
    if not sizes:
        return []
    longest = max(n * frames_of[length] for length, n in sizes)
    strip = _strip(by, longest, steps_of(by, model))
    return [
        DenoiserCase(length, n, _rows(strip, n, frames_of[length]), model)
        for length, n in sorted(sizes, key=lambda size: (size[0] * size[1], size[1]))
    ]


def _strip(by: Contestant, frames: int, steps: int) -> Window:
    """One long window of speech, at least so many frames; its sentences follow each other."""
    request = SpeechRequest(Prose(by.speaker, by.engine).of_length(STRIP_TEXT_S), seed=SEED)
    sentences = by.speaker.read(request).sentences
    parts: list[Window] = []
    while sum(part.source.shape[1] for part in parts) < frames:
        sentence = sentences[len(parts) % len(sentences)]
        given = DenoiserInput(by.engine, sentence, request, steps, len(parts))
        parts.append(given.window(0, given.frames))
    return Window(
        np.concatenate([part.conditioning for part in parts], axis=2),
        np.concatenate([part.source for part in parts], axis=1),
        np.concatenate([part.noise for part in parts], axis=2),
    )


def _rows(strip: Window, batch: int, frames: int) -> Window:
    """Pieces of the strip that follow each other, as rows of a batch."""
    pieces = [slice(i * frames, (i + 1) * frames) for i in range(batch)]
    return Window(
        np.concatenate([strip.conditioning[:, :, piece] for piece in pieces]),
        np.concatenate([strip.source[:, piece] for piece in pieces]),
        np.concatenate([strip.noise[:, :, piece] for piece in pieces], axis=1),
    )
