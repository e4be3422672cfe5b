"""How sentences end, and whether they are equally loud."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlpo_bench.clips import SAMPLE_RATE, Waveform
from dlpo_bench.pitch import FRAME_S, f0_track_hz
from dlpo_bench.signal_measures import F0_RANGE_HZ
from dlpo_serving.loudness import BLOCK_S, integrated_loudness

END_S = 0.15  # of voice, the last of a sentence


def end_semitones(waveform: Waveform) -> float:
    """Pitch of the last 0.15 s of voice of a sentence, above the median of the sentence.

    Negative: it falls, as statements do; positive: it rises. NaN with too little voice, less than
    twice as much.

    Raises:
        MissingExtraError: pyworld is not installed.
    """
    track = f0_track_hz(waveform, SAMPLE_RATE, *F0_RANGE_HZ)
    voiced = 12 * np.log2(track[track > 0])
    last = round(END_S / FRAME_S)
    if len(voiced) < 2 * last:
        return float("nan")
    return float(np.median(voiced[-last:]) - np.median(voiced))


def loudness_spread_lu(sentences: Sequence[Waveform]) -> float:
    """Standard deviation of the sentences' loudness, LU; NaN with fewer than two of 0.4 s."""
    long = [s for s in sentences if len(s) >= BLOCK_S * SAMPLE_RATE]
    found = np.array([integrated_loudness(s, SAMPLE_RATE) for s in long])
    found = found[np.isfinite(found)]
    return float(found.std()) if len(found) > 1 else float("nan")
