"""How fast a sentence is spoken: how long its symbols last, and what each frame is read from.

A voice knows what symbols sound like at the pace of its recordings; with all of them lasting half
as long, the frames graph blurs them into one another. So it always runs at the voice's own pace,
and its frames are read faster or slower, as a vocoder stretches a recording.

Neither do speakers change all durations alike. In a hurry they save on what is long, since a sound
needs some time to be made at all; slowly, they draw sounds out a little and pause for the rest.

References:
    Klatt, Linguistic uses of segmental duration in English, 1976: durations shrink towards a floor.
    Goldman-Eisler, Psycholinguistics, 1968: the pace of speech is above all that of its pauses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import END_FRAMES
from dlpo.errors import EngineError
from dlpo_serving.engine import Floats, Ids

SHORTEST_SOUND = 3.0  # frames, 41 ms, if it isn't shorter anyway; measured: docs/voice.md
SLOWEST_SOUNDS = 0.75  # speed below which sounds are hardly drawn out further
MAX_SYMBOL_FRAMES = 1000  # 14 s; a longer symbol is a broken model

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DurationWarp:
    """The frames of a sentence of P symbols: F as it is spoken, N at the voice's own pace."""

    counts: Ids
    """(P,) as spoken"""
    own: Ids
    """(P,) at the voice's own pace; a mark's are those as spoken, since silence has no pace"""
    places: Reals
    """(F,) where each frame as spoken is among the voice's own, 0 to N - 1, never going back"""

    @classmethod
    def at(cls, durations: Floats, is_mark: Flags, speed: Reals) -> DurationWarp:
        """The pace of a sentence; at speed 1 throughout, the voice's own to the bit.

        Args:
            durations: (P,) frames, as predicted.
            is_mark: (P,) true where a symbol is no sound.
            speed: (P,) factor of the pace at each symbol.

        Raises:
            EngineError: a duration is negative, not finite or absurdly long.
        """
        if not bool(np.all((durations >= 0) & (durations <= MAX_SYMBOL_FRAMES))):
            raise EngineError(
                f"the encoder predicts durations from {durations.min()} to {durations.max()}"
                f" frames; expected 0 to {MAX_SYMBOL_FRAMES}: the voice is broken, export it again"
            )
        counts = with_end(whole_frames(paced(durations, is_mark, speed)), float(speed[-1]))
        own = np.where(is_mark, counts, np.maximum(counts, whole_frames(durations)))
        return cls(counts, own, _places(counts, own))

    def own_frames(self, stop: int) -> int:
        """How many frames at the voice's own pace the first `stop` are read from."""
        return int(np.ceil(self.places[stop - 1])) + 1

    def read(self, conditioning: Floats, start: int, stop: int) -> Floats:
        """(1, C, N) -> (1, C, stop - start), by straight lines between the voice's own frames."""
        left, right, share = self._between(start, stop)
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
        """The frames before and after each place, and how far it is from the one to the other.

        Where a place is a frame, both are that one.
        """
        places = self.places[start:stop]
        before = np.floor(places)
        return (
            before.astype(np.int64),
            np.ceil(places).astype(np.int64),
            (places - before).astype(np.float32),
        )


def paced(durations: Floats, is_mark: Flags, speed: Reals) -> Reals:
    """How long each symbol lasts at a speed; in all, each passage of one speed as long as it says.

    Args:
        durations: (P,) frames at speed 1.
        is_mark: (P,) true where a symbol is no sound.
        speed: (P,) factor of the pace at each symbol.

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
    """A passage whose sounds keep `SHORTEST_SOUND`, as far as there is time for it."""
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
    """A passage whose words are parted by pauses of equal length, where it is very slow.

    With n words there are n - 1 such pauses, and they take as many nths of the time that is left;
    so a single word is drawn out alone, and two are not torn apart.
    """
    sounds = ~is_mark
    first_to_last = np.logical_or.accumulate(sounds) & np.logical_or.accumulate(sounds[::-1])[::-1]
    between = is_mark & first_to_last
    words = int(between.sum()) + 1
    rest = max(0.0, 1 / speed - 1 / SLOWEST_SOUNDS) / words  # of a sound's length
    exact = durations / speed
    exact[sounds] -= (words - 1) * rest * durations[sounds]
    exact[between] += rest * durations[sounds].sum()
    return exact


def _places(counts: Ids, own: Ids) -> Reals:
    """Straight through each symbol, from its first frame to its last; see `DurationWarp.places`."""
    lasts = np.concatenate([[True], counts > 0])  # a symbol of no frames is passed with the next
    ends = np.concatenate([[0], np.cumsum(counts)])
    own_ends = np.concatenate([[0], np.cumsum(own)])
    middles = np.arange(ends[-1]) + 0.5
    places: Reals = np.interp(middles, ends[lasts], own_ends[lasts]) - 0.5
    return places.clip(0, own_ends[-1] - 1)


def with_end(counts: Ids, speed: float) -> Ids:
    """The frames of a sentence whose last symbol lasts until the voice is silent.

    Recordings are cut close, so that a voice may have learnt that no pause follows; its last
    phoneme would then break off at full level.

    Args:
        counts: (P,) frames of each symbol.
        speed: factor of the pace at the end.
    """
    ended = counts.copy()
    ended[-1] = max(ended[-1], round(END_FRAMES / speed))
    return ended


def whole_frames(durations: Floats | Reals) -> Ids:
    """(P,) frames -> (P,) whole frames, at least one in all.

    The ends are rounded, not the durations, so that errors don't add up.
    """
    ends: Ids = np.rint(np.cumsum(durations, dtype=np.float64)).astype(np.int64)
    ends[-1] = max(ends[-1], 1)
    return np.diff(ends, prepend=0)
