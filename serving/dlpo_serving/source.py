"""The harmonic source of a sentence, piece by piece, as its F0 becomes known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import F0_FLOOR, Waveform, pulse_train
from dlpo_serving.engine import Floats

LOOKAHEAD = 2  # frames of F0 beyond a piece that it depends on


class HarmonicSource:
    """Makes the source in order; how it is cut into pieces does not change it.

    Unlike `dlpo.audio.harmonic_source`, which joins F0 through an unvoiced stretch by a line to
    its far end, it holds the last F0 until just before the next voiced frame. Only the phase at
    which the voice sets in again differs, and that phase is arbitrary.
    """

    def __init__(self, hop_length: int, sample_rate_hz: int) -> None:
        self._hop_length = hop_length
        self._sample_rate_hz = sample_rate_hz
        self._made = 0  # frames
        self._phase = 0.0  # radians, of the last sample that was made

    def extend(self, f0: Floats, stop: int) -> Waveform:
        """The next piece, up to frame `stop`.

        Args:
            f0: (at least `stop` + `LOOKAHEAD`, or the whole sentence) Hz from the first frame of
                the sentence on, 0 where unvoiced.

        Returns:
            ((stop - frames made before) * hop_length,) float32.
        """
        known = f0[: stop + LOOKAHEAD].astype(np.float64)
        voiced = known > 0
        around = slice(max(self._made - 1, 0), stop + 1)
        centres = (np.arange(len(known))[around] + 0.5) * self._hop_length
        samples = np.arange(self._made * self._hop_length, stop * self._hop_length)
        hertz = np.interp(samples, centres, _hold(known)[around])
        is_voiced = np.interp(samples, centres, voiced[around].astype(np.float64)) > 0.5
        phase = self._phase + 2 * np.pi / self._sample_rate_hz * np.cumsum(hertz)
        self._made = stop
        self._phase = float(phase[-1] % (2 * np.pi)) if len(phase) else self._phase
        return pulse_train(hertz, is_voiced, phase)


def _hold(f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F,) Hz, 0 where unvoiced -> the F0 of the next frame just before an onset, else the last."""
    following = np.append(f0[1:], 0)
    candidate = np.where(f0 > 0, f0, following)
    last = np.maximum.accumulate(np.where(candidate > 0, np.arange(len(f0)), -1))
    return np.where(last >= 0, candidate[last], F0_FLOOR)
