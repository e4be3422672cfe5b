"""Texts of a wanted length, from a fixed prose."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_serving.denoiser_input import DenoiserInput
from dlpo_serving.engine import Engine
from dlpo_serving.rendering import SENTENCE_PAUSE_S
from dlpo_serving.request import SpeechRequest
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
