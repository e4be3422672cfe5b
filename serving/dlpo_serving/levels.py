"""The level of speech: a gain, peaks that are bent and never cut, ends that do not click.

Each output sample depends on its own input sample and on its place alone, by additions,
multiplications and divisions alone: how speech is cut into chunks does not change a bit of it.
"""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform

KNEE = 0.7  # -3 dBFS; what is softer passes unchanged
CEILING = 0.89  # -1 dBFS: room for the overshoot of resamplers and codecs, as EBU R 128 asks
FADE_S = 0.005  # less than a frame, longer than any click


class LevelShaper:
    """Gives the speech of one voice its level; holds no state, so that all streams share one."""

    def __init__(self, gain: float, sample_rate_hz: int) -> None:
        """`gain`: factor that takes what the voice makes to its loudness."""
        self._gain = np.float32(gain)
        ramp = (np.arange(round(FADE_S * sample_rate_hz)) + 0.5) * np.pi
        self._fade = ((1 - np.cos(ramp / len(ramp))) / 2).astype(np.float32)

    def apply(self, samples: Waveform, *, first: bool, last: bool) -> Waveform:
        """The next samples of a sentence, as they will be heard.

        Args:
            samples: (T,) float32 as the voice makes them, at any level. The first and the last
                piece are at least as long as a fade, as every piece of whole frames is.
            first, last: whether the sentence begins or ends here.

        Returns:
            (T,) float32 within `CEILING`.
        """
        shaped = limited(self._gain * samples)
        length = min(len(self._fade), len(shaped))
        if first:
            shaped[:length] *= self._fade[:length]
        if last:
            shaped[len(shaped) - length :] *= self._fade[:length][::-1]
        return shaped


def limited(samples: Waveform) -> Waveform:
    """(T,) -> (T,): unchanged up to the knee, then bent smoothly towards the ceiling.

    Without look-ahead or release, hence without delay. An excess e over the knee becomes
    room * e / (room + e), which sets out with slope 1 and never uses the room up.
    """
    room = np.float32(CEILING - KNEE)
    excess = np.maximum(np.abs(samples) - np.float32(KNEE), 0)
    bent = np.copysign(np.float32(KNEE) + room * (excess / (room + excess)), samples)
    return np.where(excess > 0, bent, samples).astype(np.float32, copy=False)
