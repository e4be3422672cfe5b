"""From the voice's rate to the client's, as the samples come."""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import MissingExtraError


class Resampler:
    """Resamples one stream; how it is cut does not change the result."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Raises MissingExtraError where the rates differ and soxr is not installed."""
        self._stream = None
        if from_hz == to_hz:
            return
        try:
            import soxr
        except ImportError:
            raise MissingExtraError("soxr", "serve") from None
        self._stream = soxr.ResampleStream(from_hz, to_hz, num_channels=1, dtype="float32")

    def resample(self, samples: Waveform, last: bool = False) -> Waveform:
        """The next (T,) float32 -> (U,) float32 that are ready, all the rest with the `last`."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last), np.float32)
