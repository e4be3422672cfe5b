"""When each word and each phoneme of a sentence is heard, from the whole frames of its symbols."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from dlpo.text import Sentence
from dlpo_serving.engine import Floats, Ids

GAIN_RAMP_S = 0.005  # of a change of volume: short beside a phoneme, long enough not to click


@dataclass(frozen=True, slots=True)
class PhonemeTiming:
    """One phoneme, in samples from the beginning of its sentence."""

    phoneme: str
    """ARPAbet with stress."""
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class WordTiming:
    """One spoken word, in samples from the beginning of its sentence."""

    word: str
    start: int
    stop: int
    """Where its last phoneme ends; the pause of its boundary mark comes after."""
    text_start: int
    text_end: int
    """Character offsets in the text as it was sent."""
    phonemes: tuple[PhonemeTiming, ...]


@dataclass(frozen=True, slots=True)
class MarkTiming:
    """A mark of SSML and the sample that it stands before."""

    name: str
    sample: int


@dataclass(frozen=True, slots=True)
class SentenceTiming:
    """All times of one sentence."""

    words: tuple[WordTiming, ...]
    marks: tuple[MarkTiming, ...]
    samples: int
    """Length of the sentence, without a pause after it."""


def sentence_timing(sentence: Sentence, counts: Ids, hop_length: int) -> SentenceTiming:
    """The times of a sentence; they are those of the audio, to the frame.

    Args:
        sentence: P symbols.
        counts: (P,) whole frames of each symbol.
        hop_length: samples of a frame.
    """
    ends = (np.cumsum(counts) * hop_length).tolist()
    words = []
    symbol = 1  # the first is the silence before the first word
    for word in sentence.words:
        phonemes = []
        for at, phoneme in enumerate(word.phonemes, symbol):
            phonemes.append(PhonemeTiming(phoneme, ends[at - 1], ends[at]))
        symbol += len(phonemes) + 1  # and the boundary mark
        start, stop = phonemes[0].start, phonemes[-1].stop
        words.append(WordTiming(word.word, start, stop, word.start, word.end, tuple(phonemes)))
    starts = [*map(attrgetter("start"), words), ends[-1]]
    marks = []
    for mark in sentence.marks:
        marks.append(MarkTiming(mark.name, starts[mark.word]))
    return SentenceTiming(tuple(words), tuple(marks), ends[-1])


def per_symbol(sentence: Sentence, attribute: str) -> NDArray[np.float64]:
    """(P,) float64: an attribute of each word for its phonemes and the mark after it.

    The silence before the first word has that word's value.
    """
    values, lengths = [], []
    for word in sentence.words:
        values.append(getattr(word, attribute))
        lengths.append(len(word.phonemes) + 1)
    lengths[0] += 1
    return np.repeat(np.array(values, np.float64), lengths)


class Volume:
    """The gain of a sentence: a level for each frame, with ramps where it changes."""

    def __init__(self, level_db: NDArray[np.float64], hop_length: int, sample_rate_hz: int) -> None:
        """``level_db``: (F,) decibels; minus infinity is silence."""
        gain = 10 ** (level_db / 20)
        changes = np.flatnonzero(np.diff(gain)) + 1
        ramp = min(GAIN_RAMP_S * sample_rate_hz, hop_length)  # so that ramps never overlap
        places = changes * hop_length
        self._hop_length = hop_length
        corners = np.stack([places - ramp / 2, places + ramp / 2], axis=1).ravel()
        self._places = np.concatenate([[0.0], corners])
        levels = np.stack([gain[changes - 1], gain[changes]], axis=1).ravel()
        self._gains = np.concatenate([gain[:1], levels])

    def gain(self, start: int, stop: int) -> Floats:
        """Of frames `start` to `stop`: (T,) float32 factors, the same however one cuts."""
        samples = np.arange(start * self._hop_length, stop * self._hop_length)
        gain: Floats = np.interp(samples, self._places, self._gains).astype(np.float32)
        return gain
