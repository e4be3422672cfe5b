"""The pitch of speech, frame by frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform
from dlpo.errors import MissingExtraError

FRAME_S = 0.005


def f0_track_hz(
    waveform: Waveform, sample_rate_hz: int, floor_hz: float, ceiling_hz: float
) -> NDArray[np.float64]:
    """(frames,) F0 every 5 ms, 0 where there is no voice.

    Raises:
        MissingExtraError: pyworld is not installed.

    Reference: Morise, Kawahara and Katayose, Fast and Reliable F0 Estimation Method Based on the
    Period Extraction of Vocal Fold Vibration (DIO), 2009.
    """
    try:
        import pyworld
    except ImportError as error:
        raise MissingExtraError("pyworld", "bench") from error
    samples = waveform.astype(np.float64)
    coarse, times = pyworld.dio(
        samples,
        sample_rate_hz,
        f0_floor=floor_hz,
        f0_ceil=ceiling_hz,
        frame_period=1_000 * FRAME_S,
    )
    track: NDArray[np.float64] = pyworld.stonemask(samples, coarse, times, sample_rate_hz)
    return track
