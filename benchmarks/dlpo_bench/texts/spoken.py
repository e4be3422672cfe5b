"""A text as a voice said it: the audio, and where its sentences and words are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlpo_bench.clips import Waveform
from dlpo_serving.chunks import STREAM_LADDER
from dlpo_serving.request import SpeechRequest
from dlpo_serving.timing import WordTiming

if TYPE_CHECKING:
    from dlpo_bench.candidates import Speaker


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """One sentence of the audio."""

    words: tuple[WordTiming, ...]
    """in samples of the whole audio"""
    mark: str
    """that ends it: . ! ? or another, where a text stops without"""

    @property
    def start(self) -> int:
        """First sample of its first word."""
        return self.words[0].start

    @property
    def stop(self) -> int:
        """Sample behind its last word."""
        return self.words[-1].stop


@dataclass(frozen=True, slots=True)
class Spoken:
    """The audio of one text."""

    waveform: Waveform
    """(T,) float32, as it is served"""
    sentences: tuple[SpokenSentence, ...]

    @property
    def words(self) -> list[WordTiming]:
        """Of all sentences, in order."""
        return [word for sentence in self.sentences for word in sentence.words]


def say(speaker: Speaker, text: str, seed: int, steps: int | None = None) -> Spoken:
    """Say one text in the chunks that it is served in.

    Raises:
        InputError: it can't be spoken.
        EngineError: the run-time failed.
    """
    utterance = speaker.synthesizer.read(SpeechRequest(text, seed=seed, steps=steps))
    chunks = list(speaker.synthesizer.stream(utterance, speaker.ladder or STREAM_LADDER))
    timed: list[list[WordTiming]] = [[] for _ in utterance.sentences]
    for chunk in chunks:
        timed[chunk.sentence] += chunk.words
    return Spoken(
        np.concatenate([chunk.samples for chunk in chunks]),
        tuple(
            SpokenSentence(tuple(words), sentence.words[-1].mark)
            for words, sentence in zip(timed, utterance.sentences, strict=True)
        ),
    )
