"""DNSMOS P.835: the speech, its background and both together, from Microsoft's `speechmos`.

It was made to judge noise suppressors. It never is a reward (`dlpo.rl.reward_models`), so that it
remains a witness that took no part in tuning. The package contains the weights.

Reference: Reddy, Gopal and Cutler, DNSMOS P.835: A Non-Intrusive Perceptual Objective Speech
Quality Metric to Evaluate Noise Suppressors, ICASSP 2022.
"""

from __future__ import annotations

import numpy as np

from dlpo.judges.judge import TYPICAL_LEVEL_DB, Waveform, listen_at
from dlpo.judges.onnx_graph import open_graph

SAMPLE_RATE = 16_000  # Hz
WINDOW_S, WINDOW = 9.01, 144_160  # seconds, samples
POLYNOMIALS = (  # raw output -> score, as published: SIG, BAK, OVRL; highest power first
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
FRAME_S, GATE = 0.01, 1e-4  # frames with less than this share of the loudest's power are pauses
PEAK = 0.99  # of full scale


class P835:
    """SIG, BAK and OVRL, about 1..5 each: means over windows of 9.01 s that start every second."""

    names = ("P.835 SIG", "P.835 BAK", "P.835 OVRL")

    def __init__(self) -> None:
        """Load the graph, on one thread.

        Raises:
            MissingExtraError: speechmos or onnxruntime is not installed.
        """
        self._session = open_graph("dnsmos_models/sig_bak_ovr.onnx")
        self._input = self._session.get_inputs()[0].name

    def measure(self, waveform: Waveform, sample_rate_hz: int, text: str) -> tuple[float, ...]:
        """See `ClipMeasure`; the text is ignored. A clip shorter than a window is repeated."""
        (heard,) = listen_at(SAMPLE_RATE, [waveform], sample_rate_hz)
        windows = _windows(at_active_level(heard))  # one at a time: the graph needs 0.5 GB for each
        runs = [self._session.run(None, {self._input: window[None]})[0][0] for window in windows]
        raw = np.array(runs, np.float64)  # (windows, 3)
        return tuple(
            float(np.polyval(polynomial, column).mean())
            for polynomial, column in zip(POLYNOMIALS, raw.T, strict=True)
        )


def at_active_level(waveform: Waveform) -> Waveform:
    """A clip at 16 kHz brought to -22 dB without its pauses, or as near as its peaks allow."""
    frame = round(FRAME_S * SAMPLE_RATE)
    whole = waveform[: len(waveform) // frame * frame].astype(np.float64)
    power = (whole.reshape(-1, frame) ** 2).mean(axis=1)
    if not power.any():
        return waveform
    active = power[power > power.max() * GATE].mean()
    gain = 10 ** (TYPICAL_LEVEL_DB / 20) / np.sqrt(active)
    gain = min(gain, PEAK / np.abs(waveform).max())
    return np.asarray(waveform * gain, np.float32)


def _windows(waveform: Waveform) -> list[Waveform]:
    """Windows of 144,160 samples."""
    while len(waveform) < WINDOW:
        waveform = np.concatenate([waveform, waveform])
    count = int(len(waveform) // SAMPLE_RATE - WINDOW_S) + 1  # as published: whole seconds only
    return [waveform[i * SAMPLE_RATE :][:WINDOW] for i in range(count)]
