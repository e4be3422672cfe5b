"""PLCMOS v2: the quality of speech after packet loss, from Microsoft's package `speechmos` (MIT).

It hears short dropouts and glitches. It never is a reward (`dlpo.rl.reward_models`), so that it
remains a witness that took no part in tuning. The package contains the weights.

Reference: Diener et al., PLCMOS - A Data-driven Non-intrusive Metric for the Evaluation of Packet
Loss Concealment Algorithms, Interspeech 2023 (arXiv 2305.15127).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlpo.errors import needs
from dlpo.judges.judge import Scores, Waveform, listen_at
from dlpo.judges.onnx_graph import open_graph
from dlpo.judges.p835 import SAMPLE_RATE, at_active_level

RATERS, EMBEDDING = 15, 64  # simulated listeners; the package draws new ones for each clip


class Plcmos:
    """Scores about 1..5, the mean of 15 fixed raters: the same clip always gets the same score."""

    name = "PLCMOS"
    sample_rate_hz = SAMPLE_RATE

    def __init__(self) -> None:
        """Load the package's graph, on one thread.

        Raises:
            MissingExtraError: speechmos or onnxruntime is not installed.
        """
        with needs("bench"):
            from speechmos.plcmos import PLCMOS
        self._spectra = PLCMOS().stft_transform
        self._session = open_graph("plcmos_models/plcmos_v2.onnx")
        draws = np.random.default_rng(0).normal(size=(RATERS, 1, EMBEDDING))
        self._raters = draws.astype(np.float32)

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`."""
        heard = listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
        return np.array([self._score(at_active_level(waveform)) for waveform in heard])

    def _score(self, waveform: Waveform) -> float:
        spectra = np.asarray(self._spectra(waveform), np.float32)[None, None]
        inputs = ({"degraded_audio": spectra, "rater_embed": rater} for rater in self._raters)
        return float(np.mean([self._session.run(None, given)[0] for given in inputs]))
