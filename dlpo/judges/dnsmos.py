"""DNSMOS P.808: overall quality, from Microsoft's package `speechmos`, which contains the weights.

Reference: Reddy, Gopal and Cutler, DNSMOS: A Non-Intrusive Perceptual Objective Speech Quality
Metric to Evaluate Noise Suppressors, ICASSP 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dlpo.judges.judge import Scores, Waveform, listen_at, mel_bands, require
from dlpo.judges.onnx_graph import open_graph
from dlpo.operating_system import usable_cores

SAMPLE_RATE = 16_000  # Hz
WINDOW = 144_160  # samples: 9.01 s, what the published script feeds
BANDS = 120
N_FFT, HOP = 321, 160  # samples
POWER_FLOOR = 1e-10


class Dnsmos:
    """Scores 1..5, the mean over windows of 9.01 s that start every second."""

    name = "DNSMOS P.808"
    sample_rate_hz = SAMPLE_RATE

    def __init__(self) -> None:
        """Load the graph, on one thread.

        Raises:
            MissingExtraError: speechmos, onnxruntime or librosa is not installed.
        """
        require("librosa")
        self._session = open_graph("dnsmos_models/model_v8.onnx")
        self._input = self._session.get_inputs()[0].name

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`, a thread for each core. A clip shorter than a window is repeated."""
        heard = listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
        with ThreadPoolExecutor(usable_cores()) as pool:
            return np.array(list(pool.map(self._score_one, heard)))

    def _score_one(self, waveform: Waveform) -> float:
        return float(self._session.run(None, {self._input: self._windows(waveform)})[0].mean())

    def _windows(self, waveform: Waveform) -> NDArray[np.float32]:
        """(T,) -> (windows, 900, 120), mel decibels below the loudest cell, (dB + 40) / 40."""
        while len(waveform) < WINDOW:
            waveform = np.concatenate([waveform, waveform])
        starts = range(0, len(waveform) - WINDOW + 1, SAMPLE_RATE)
        return np.stack([self._features(waveform[at : at + WINDOW - HOP]) for at in starts])

    def _features(self, window: Waveform) -> NDArray[np.float32]:
        """(144000,) -> (900, 120)."""
        from librosa import power_to_db

        power = mel_bands(window, SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS)
        level = power_to_db(power, ref=np.max, amin=POWER_FLOOR)
        return np.asarray((level + 40) / 40, np.float32)
