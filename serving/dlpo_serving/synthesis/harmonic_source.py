"""The source of a sentence, made piece by piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import F0_FLOOR, PulseJitter, Waveform, pulse_train
from dlpo.frame_grid import FrameGrid
from dlpo_serving.engine import Floats

LOOKAHEAD = 2  # frames of F0 after a piece that the piece depends on
PIECE = 64  # frames made at once: their samples stay in a core's cache


class HarmonicSource:
    """Makes the source in order; the result does not depend on how it is cut into pieces.

    Across an unvoiced stretch, `dlpo.audio.harmonic_source` interpolates F0 linearly; this holds
    the last F0 until just before the next voiced frame. Only the phase at which voicing resumes
    differs, and that phase is arbitrary.
    """

    def __init__(self, grid: FrameGrid, jitter: PulseJitter | None = None) -> None:
        self._grid = grid
        self._jitter = jitter
        self._made = 0  # frames
        self._phase = 0.0  # radians, of the last sample made
        self._turns = 0  # whole ones before it

    def extend(self, f0: Floats, stop: int) -> Waveform:
        """The next piece, up to frame `stop`.

        Args:
            f0: (at least `stop` + `LOOKAHEAD`, or the whole sentence) Hz from the first frame of
                the sentence on, 0 where unvoiced.

        Returns:
            ((stop - frames made before) * hop_length,) float32.
        """
        known = f0[: stop + LOOKAHEAD].astype(np.float64)
        around = np.arange(self._made - 1, stop + 1).clip(0, len(known) - 1)
        hertz, is_voiced = _hold(known)[around], (known > 0)[around]
        frames, hop = stop - self._made, self._grid.hop_length
        made = np.empty((frames, hop), np.float32)
        for start in range(0, frames, PIECE):
            seen = slice(start, start + PIECE + 2)
            made[start : start + PIECE] = self._next(hertz[seen], is_voiced[seen]).reshape(-1, hop)
        self._made = stop
        return made.ravel()

    def _next(self, hertz: NDArray[np.float64], is_voiced: NDArray[np.bool_]) -> Waveform:
        """(F + 2,) of the next F frames and one on each side -> (F * hop_length,)."""
        hop = self._grid.hop_length
        by_sample = self._by_sample(hertz)
        sounds = np.repeat(is_voiced[1:-1], hop)
        sounds[::hop] &= is_voiced[:-2]  # as near to the frame before
        phase = self._phase + 2 * np.pi / self._grid.sample_rate_hz * np.cumsum(by_sample)
        moved = phase
        if self._jitter is not None:
            moved = phase + 2 * np.pi * self._jitter(self._turns + phase / (2 * np.pi))
        self._phase = float(phase[-1] % (2 * np.pi))
        self._turns += round((phase[-1] - self._phase) / (2 * np.pi))
        return pulse_train(by_sample, sounds, moved, self._grid)

    def _by_sample(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """(F + 2,) at centres -> (F * hop_length,), interpolated, of all but the outer frames."""
        hop = self._grid.hop_length
        lines = (np.diff(frames) / hop)[:, None] * (np.arange(hop) + hop % 2 / 2)
        return (lines + frames[:-1, None]).ravel()[hop // 2 : hop // 2 - hop]


def _hold(f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F,) Hz, 0 where unvoiced -> the next frame's F0 just before an onset, else the last F0."""
    following = np.append(f0[1:], 0)
    candidate = np.where(f0 > 0, f0, following)
    last = np.maximum.accumulate(np.where(candidate > 0, np.arange(len(f0)), -1))
    return np.where(last >= 0, candidate[last], F0_FLOOR)
