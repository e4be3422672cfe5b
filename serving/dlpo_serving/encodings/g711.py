"""G.711: a sample in eight bits, on a scale that is fine where the sound is soft.

Reference: ITU-T G.711 (11/88), tables 1a to 2b.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform, to_pcm16

MULAW_BIAS = 33  # of 14 bit magnitudes: makes each segment start at a power of two
MULAW_CLIP = 8158  # 14 bit magnitude; above lies the last decision value


class MulawEncoder:
    """One byte a sample, as in North America and Japan."""

    def encode(self, samples: Waveform) -> bytes:
        return mulaw(to_pcm16(samples)).tobytes()

    def finish(self) -> bytes:
        return b""


class AlawEncoder:
    """One byte a sample, as in the rest of the world."""

    def encode(self, samples: Waveform) -> bytes:
        return alaw(to_pcm16(samples)).tobytes()

    def finish(self) -> bytes:
        return b""


def mulaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(T,) 16 bit samples -> (T,) codes; a 14 bit scale, all bits inverted on the line."""
    linear = pcm.astype(np.int32) >> 2
    negative = linear < 0
    # On the negative side decision values belong to the smaller magnitude; hence ~ and not -.
    magnitude = np.minimum(np.where(negative, ~linear, linear), MULAW_CLIP) + MULAW_BIAS
    segment = np.frexp(magnitude)[1] - 6  # 33..63 -> 0, 64..127 -> 1, ... 4096..8191 -> 7
    step = (magnitude >> (segment + 1)) & 0x0F
    code: NDArray[np.int64] = np.where(negative, 0x80, 0) | segment << 4 | step
    return (code ^ 0xFF).astype(np.uint8)


def alaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(T,) 16 bit samples -> (T,) codes; a 13 bit scale, even bits inverted on the line."""
    linear = pcm.astype(np.int32) >> 3
    negative = linear < 0
    magnitude = np.where(negative, ~linear, linear)  # 0..4095
    segment = np.maximum(np.frexp(magnitude)[1] - 5, 0)  # 0..31 -> 0, 32..63 -> 1, ... -> 7
    step = (magnitude >> np.maximum(segment, 1)) & 0x0F
    code: NDArray[np.int64] = np.where(negative, 0, 0x80) | segment << 4 | step
    return (code ^ 0x55).astype(np.uint8)
