"""The inverse of pre-emphasis in torch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from dlpo.audio import PRE_EMPHASIS

SHIFTS = (1, 2, 4, 8, 16, 32, 64, 128)  # samples; the response ends after their sum, 255


def de_emphasise(waveform: Tensor) -> Tensor:
    """(B, T) -> (B, T): the inverse of `dlpo.audio.pre_emphasise`, within 24 bits.

    sum_{n < 256} a^n z^n = (1 + a z)(1 + a^2 z^2)(1 + a^4 z^4) ... (1 + a^128 z^128): eight
    shifted sums are eight times faster than a convolution, and look less than a frame back.
    """
    samples = waveform.shape[1]
    for shift in SHIFTS:
        delayed = functional.pad(waveform, (shift, 0))[:, :samples]
        waveform = waveform + PRE_EMPHASIS**shift * delayed
    return waveform
