"""Judges and word errors as texts of any length and spelling need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dlpo.judges.judge import Judge, Scores, Waveform
from dlpo.judges.word_errors import words_of
from dlpo.text import TextFrontEnd

LONGEST_PIECE_S = 10.0  # what the judges were trained on, about
BLOCK_S = 0.05


class InPieces:
    """A judge that hears long speech in pieces; its score is their mean, by length."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.name = judge.name
        self.sample_rate_hz = judge.sample_rate_hz

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`."""
        return np.array([self._one(waveform, sample_rate_hz) for waveform in waveforms])

    def _one(self, waveform: Waveform, sample_rate_hz: int) -> float:
        parts = pieces(waveform, sample_rate_hz)
        scores = self._judge.score(parts, sample_rate_hz)
        return float(np.average(scores, weights=[len(part) for part in parts]))


def pieces(waveform: Waveform, sample_rate_hz: int) -> list[Waveform]:
    """Pieces of equal length, nearly, cut where it is quietest near by; one of short speech."""
    count = -int(-len(waveform) // (LONGEST_PIECE_S * sample_rate_hz))
    block = round(BLOCK_S * sample_rate_hz)
    whole = waveform[: len(waveform) // block * block].reshape(-1, block).astype(np.float64)
    power = np.mean(whole**2, axis=1)
    cuts = []
    for i in range(1, count):
        middle, reach = round(i * len(power) / count), len(power) // count // 3
        first = middle - reach
        cuts.append((first + int(np.argmin(power[first : middle + reach]))) * block + block // 2)
    return np.split(waveform, cuts)


@dataclass(frozen=True, slots=True)
class WordCount:
    """How a transcript differs from the words that were to be heard, at the least."""

    changed: int
    left_out: int
    added: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.changed + self.left_out + self.added


class Listener:
    """Compares transcripts with words; what sounds alike is alike, as "b" and "bee"."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    @cached_property
    def _front_end(self) -> TextFrontEnd:
        return TextFrontEnd()

    def compare(self, words: str, transcript: str) -> WordCount:
        """Count what was changed, left out and added, the fewest in all.

        Args:
            words: as a person reads them out.
            transcript: what was understood.
        """
        expected = [self._sound(word) for word in words_of(words)]
        heard = [self._sound(word) for word in words_of(transcript)]
        return align(expected, heard)

    def _sound(self, word: str) -> str:
        """Its phonemes without stress, as one said alone."""
        if word not in self._known:
            sentences = self._front_end.process(word).sentences
            sounds = [p.rstrip("012") for s in sentences for w in s.words for p in w.phonemes]
            self._known[word] = " ".join(sounds)
        return self._known[word]


def align(expected: Sequence[str], heard: Sequence[str]) -> WordCount:
    """The fewest changes from one to the other; of equals, those with most words changed.

    Reference: Wagner and Fischer, The String-to-String Correction Problem, 1974.
    """
    row = [WordCount(0, 0, added) for added in range(len(heard) + 1)]
    for i, word in enumerate(expected, 1):
        before, row = row, [WordCount(0, i, 0)]
        for j, said in enumerate(heard, 1):
            c, d, a = before[j - 1], before[j], row[j - 1]
            ways = (
                WordCount(c.changed + (word != said), c.left_out, c.added),
                WordCount(d.changed, d.left_out + 1, d.added),
                WordCount(a.changed, a.left_out, a.added + 1),
            )
            row.append(min(ways, key=lambda way: way.errors))
    return row[-1]
