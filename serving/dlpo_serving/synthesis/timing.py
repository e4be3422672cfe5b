"""Timestamps of a sentence's words and phonemes, from the whole frames of its symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import EngineError
from dlpo.text import Sentence
from dlpo_serving.engine import Floats, Ids

SHORTEST_SOUND = 3.0  # frames, 38 ms at 80 a second, unless already shorter
SLOWEST_SOUNDS = 0.75  # speed below which sounds are hardly stretched further
MAX_SYMBOL_FRAMES = 1000  # 12.5 s at 80 a second; a longer symbol is a broken model

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
GAIN_RAMP_S = 0.005  # for volume changes: short next to a phoneme, long enough not to click


@dataclass(frozen=True, slots=True, eq=False)
class DurationWarp:
    """The frames of a sentence of P symbols: F as spoken, N at the voice's own pace."""

    counts: Ids
    """(P,) as spoken"""
    own: Ids
    """(P,) at the voice's own pace; as spoken for a mark, since silence has no pace"""
    places: Reals
    """(F,) position of each spoken frame among the voice's own, 0 to N - 1, non-decreasing"""

    @classmethod
    def at(cls, durations: Floats, is_mark: Flags, speed: Reals, end_frames: int) -> DurationWarp:
        """The warp of a sentence; at speed 1 throughout, bit-identical to the voice's own pace.

        Args:
            durations: (P,) predicted frames.
            is_mark: (P,) true where a symbol is not a sound.
            speed: (P,) speed factor at each symbol.
            end_frames: see `with_end`.

        Raises:
            EngineError: a duration is negative, not finite or absurdly long.
        """
        if not bool(np.all((durations >= 0) & (durations <= MAX_SYMBOL_FRAMES))):
            raise EngineError(
                f"the encoder predicts durations from {durations.min()} to {durations.max()}"
                f" frames; expected 0 to {MAX_SYMBOL_FRAMES}: the voice is broken, export it again"
            )
        counts = spoken_frames(durations, is_mark, speed, end_frames)
        own = np.where(is_mark, counts, np.maximum(counts, whole_frames(durations)))
        return cls(counts, own, _places(counts, own))

    def own_frames(self, stop: int) -> int:
        """How many frames at the voice's own pace the first `stop` frames are read from."""
        return int(np.ceil(self.places[stop - 1])) + 1

    def read(self, conditioning: Floats, start: int, stop: int) -> Floats:
        """(1, C, N) -> (1, C, stop - start), by linear interpolation of the voice's own frames."""
        left, right, share = self._between(start, stop)
        if not share.any() and right[-1] - left[0] == len(left) - 1:  # at the voice's own pace
            return conditioning[:, :, left[0] : right[-1] + 1]
        begin = conditioning[:, :, left]
        read: Floats = begin + (conditioning[:, :, right] - begin) * share
        return read

    def read_f0(self, f0: Floats, start: int, stop: int) -> Floats:
        """(N,) -> (stop - start,) Hz, 0 where the nearest of the voice's own frames is unvoiced."""
        left, right, share = self._between(start, stop)
        begin, end = f0[left], f0[right]
        nearest = np.where(share < 0.5, begin, end)
        voiced = (begin > 0) & (end > 0)
        read: Floats = np.where(voiced, begin + (end - begin) * share, nearest)
        return read

    def _between(self, start: int, stop: int) -> tuple[Ids, Ids, Floats]:
        """The frames before and after each place, and its fraction of the way between them.

        If a place falls on a frame, both are that frame.
        """
        places = self.places[start:stop]
        before = np.floor(places)
        return (
            before.astype(np.int64),
            np.ceil(places).astype(np.int64),
            (places - before).astype(np.float32),
        )


def spoken_frames(durations: Floats, is_mark: Flags, speed: Reals, end_frames: int) -> Ids:
    """(P,) frames of each symbol as spoken; see `DurationWarp.at`."""
    return with_end(whole_frames(paced(durations, is_mark, speed)), float(speed[-1]), end_frames)


def paced(durations: Floats, is_mark: Flags, speed: Reals) -> Reals:
    """Duration of each symbol at a speed; every passage of one speed has its exact total length.

    Args:
        durations: (P,) frames at speed 1.
        is_mark: (P,) true where a symbol is not a sound.
        speed: (P,) speed factor at each symbol.

    Returns:
        (P,) frames, not whole.
    """
    exact = durations.astype(np.float64)
    changes = np.flatnonzero(np.diff(speed)) + 1
    for start, stop in zip([0, *changes], [*changes, len(exact)], strict=True):
        passage, factor = slice(start, stop), speed[start]
        if factor > 1:
            exact[passage] = _hurried(exact[passage], is_mark[passage], factor)
        elif factor < 1:
            exact[passage] = _slowed(exact[passage], is_mark[passage], factor)
    return exact


def _hurried(durations: Reals, is_mark: Flags, speed: float) -> Reals:
    """Speed up a passage, keeping sounds at `SHORTEST_SOUND` or longer as far as time allows."""
    exact = durations / speed
    sounds = durations[~is_mark]
    floors = np.minimum(sounds, SHORTEST_SOUND)
    least, total = floors.sum(), sounds.sum() / speed
    if least < total:
        above = sounds - floors
        exact[~is_mark] = floors + above * ((total - least) / above.sum())
    elif least > 0:
        exact[~is_mark] = floors * (total / least)
    return exact


def _slowed(durations: Reals, is_mark: Flags, speed: float) -> Reals:
    """Slow down a passage; if it is very slow, separate its words by pauses of equal length.

    With n words there are n - 1 such pauses, and each takes one nth of the remaining time; so a
    single word is just stretched, and two are not torn apart.
    """
    sounds = ~is_mark
    first_to_last = np.logical_or.accumulate(sounds) & np.logical_or.accumulate(sounds[::-1])[::-1]
    between = is_mark & first_to_last
    words = int(between.sum()) + 1
    rest = max(0.0, 1 / speed - 1 / SLOWEST_SOUNDS) / words  # per frame of sound
    exact = durations / speed
    exact[sounds] -= (words - 1) * rest * durations[sounds]
    exact[between] += rest * durations[sounds].sum()
    return exact


def _places(counts: Ids, own: Ids) -> Reals:
    """Linear within each symbol, from its first frame to its last; see `DurationWarp.places`."""
    lasts = np.concatenate([[True], counts > 0])  # a symbol without frames is merged into the next
    ends = np.concatenate([[0], np.cumsum(counts)])
    own_ends = np.concatenate([[0], np.cumsum(own)])
    middles = np.arange(ends[-1]) + 0.5
    places: Reals = np.interp(middles, ends[lasts], own_ends[lasts]) - 0.5
    return places.clip(0, own_ends[-1] - 1)


def with_end(counts: Ids, speed: float, end_frames: int) -> Ids:
    """The frame counts with the last symbol extended until the voice has fallen silent.

    Recordings are trimmed tightly, so a voice may have learnt that no pause follows; its last
    phoneme would then break off at full level.

    Args:
        counts: (P,) frames of each symbol.
        speed: speed factor at the end.
        end_frames: least length of the last symbol at speed 1.
    """
    ended = counts.copy()
    ended[-1] = max(ended[-1], round(end_frames / speed))
    return ended


def whole_frames(durations: Floats | Reals) -> Ids:
    """(P,) frames -> (P,) whole frames, at least one in total.

    Rounds the ends rather than the durations, so that errors don't accumulate.
    """
    ends: Ids = np.rint(np.cumsum(durations, dtype=np.float64)).astype(np.int64)
    ends[-1] = max(ends[-1], 1)
    return np.diff(ends, prepend=0)


@dataclass(frozen=True, slots=True)
class PhonemeTiming:
    """One phoneme, in samples from the start of its sentence."""

    phoneme: str
    """ARPAbet with stress."""
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class WordTiming:
    """One spoken word, in samples from the start of its sentence."""

    word: str
    start: int
    stop: int
    """Where its last phoneme ends; the pause of its boundary mark comes after."""
    text_start: int
    text_end: int
    """Character offsets in the text as sent."""
    phonemes: tuple[PhonemeTiming, ...]

    def moved(self, place: Callable[[int], int]) -> WordTiming:
        """The same word with its sample positions mapped by `place`."""
        phonemes = tuple(
            PhonemeTiming(p.phoneme, place(p.start), place(p.stop)) for p in self.phonemes
        )
        return replace(self, start=place(self.start), stop=place(self.stop), phonemes=phonemes)


@dataclass(frozen=True, slots=True)
class MarkTiming:
    """An SSML mark and the sample it precedes."""

    name: str
    sample: int


@dataclass(frozen=True, slots=True)
class SentenceTiming:
    """All timestamps of one sentence."""

    words: tuple[WordTiming, ...]
    marks: tuple[MarkTiming, ...]


def sentence_timing(sentence: Sentence, counts: Ids, hop_length: int) -> SentenceTiming:
    """The timestamps of a sentence; they match its audio to the frame.

    Args:
        sentence: P symbols.
        counts: (P,) whole frames of each symbol.
        hop_length: samples of a frame.
    """
    ends = (np.cumsum(counts) * hop_length).tolist()
    words = []
    symbol = 1  # symbol 0 is the silence before the first word
    for word in sentence.words:
        phonemes = []
        for at, phoneme in enumerate(word.phonemes, symbol):
            phonemes.append(PhonemeTiming(phoneme, ends[at - 1], ends[at]))
        symbol += len(phonemes) + 1  # 1 for the boundary mark
        start, stop = phonemes[0].start, phonemes[-1].stop
        words.append(WordTiming(word.word, start, stop, word.start, word.end, tuple(phonemes)))
    starts = [*map(attrgetter("start"), words), ends[-1]]
    marks = []
    for mark in sentence.marks:
        marks.append(MarkTiming(mark.name, starts[mark.word]))
    return SentenceTiming(tuple(words), tuple(marks))


class Volume:
    """The gain of a sentence: a level for each frame, with ramps where it changes."""

    def __init__(self, level_db: NDArray[np.float64], hop_length: int, sample_rate_hz: int) -> None:
        """`level_db`: (F,) decibels; minus infinity is silence."""
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
        """Gain of frames `start` to `stop`: (T,) float32 factors, independent of the cuts."""
        samples = np.arange(start * self._hop_length, stop * self._hop_length)
        gain: Floats = np.interp(samples, self._places, self._gains).astype(np.float32)
        return gain
