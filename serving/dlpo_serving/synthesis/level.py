"""The level of speech: gain to a target loudness, a limiter, fades at the ends of sentences."""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform

KNEE = 0.7  # -3 dBFS; anything below passes unchanged
CEILING = 0.89  # -1 dBFS: room for the overshoot of resamplers and codecs, per EBU R 128
FADE_S = 0.005  # less than a frame, longer than any click


class LevelShaper:
    """Sets the level of a voice's speech; stateless, so that streams can share one."""

    def __init__(self, gain: float, sample_rate_hz: int) -> None:
        """`gain`: factor that brings the voice's output to its target loudness."""
        self._gain = np.float32(gain)
        ramp = (np.arange(round(FADE_S * sample_rate_hz)) + 0.5) * np.pi
        self._fade = ((1 - np.cos(ramp / len(ramp))) / 2).astype(np.float32)

    def apply(self, samples: Waveform, *, first: bool, last: bool) -> Waveform:
        """The next samples of a sentence, as they will be heard.

        Args:
            samples: (T,) float32 from the denoiser, at any level. The first and the last piece
                must be at least as long as a fade; any piece of whole frames is.
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
    room * e / (room + e), which starts with slope 1 and never uses up the room.
    """
    bounded, room = samples.astype(np.float32), np.float32(CEILING - KNEE)
    (over,) = np.nonzero(np.abs(samples) > KNEE)
    excess = np.abs(samples[over]) - np.float32(KNEE)
    bent = np.float32(KNEE) + room * (excess / (room + excess))
    bounded[over] = np.copysign(bent, samples[over])
    return bounded
