"""From times to what the record says: real-time factors, speed-ups, how far audio is apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from dlpo.noise_schedule import MAX_STEPS
from dlpo_bench.bootstrap import Estimate, bootstrap
from dlpo_bench.rtf.cases import SPEECH
from dlpo_bench.rtf.contestants import EAGER, EAGER_IN_CHUNKS, PAPER, REFERENCE
from dlpo_bench.rtf.timing import Timing, Timings
from dlpo_export.parity.log_spectral_distance import log_spectral_distance
from dlpo_serving.engine import Floats

BASELINES = (PAPER, EAGER, EAGER_IN_CHUNKS, REFERENCE)
SAME_DB = -400.0  # of equal audio

Values = NDArray[np.float64]


def figures_of(timings: Timings) -> dict[str, dict[str, Any]]:
    """Kind of case -> size -> `audio_s`, and for each contestant its figures.

    These are `rtf_min`, `rtf_median`, `rtf_spread` (median absolute deviation), `first_rtf` of the
    first run; `speedup` over each baseline with its interval; of speech `error_db` and
    `log_spectral_db` against the reference; and `timed_steps` where a slice was extrapolated.
    """
    found: dict[str, dict[str, Any]] = {}
    for (what, label), timed in timings.of.items():
        if not timed:
            continue
        rtf = {name: _rtf(timing) for name, timing in timed.items()}
        rows: dict[str, dict[str, Any]] = {}
        for name, timing in timed.items():
            rows[name] = {
                "rtf_min": float(rtf[name].min()),
                "rtf_median": float(np.median(rtf[name])),
                "rtf_spread": float(median_abs_deviation(rtf[name])),
                "first_rtf": timing.first_s / timing.audio_s,
                "speedup": {
                    baseline: speedup(rtf[baseline], rtf[name]).figure
                    for baseline in BASELINES
                    if baseline in rtf and name not in (baseline, PAPER)
                },
            }
            if timing.timed_steps not in (None, MAX_STEPS):
                rows[name]["timed_steps"] = timing.timed_steps
        if what == SPEECH:
            for name, apart in _deviations(timings.audio.get(label, {})):
                rows[name] |= apart
        audio_s = [timing.audio_s for timing in timed.values()]
        found.setdefault(what, {})[label] = {
            "audio_s": float(np.median(audio_s)),
            "contestants": rows,
        }
    return found


def samples_of(timings: Timings) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    """Kind -> size -> contestant -> the real-time factor of each round, under its measure."""
    found: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
    for (what, label), timed in timings.of.items():
        for name, timing in timed.items():
            rows = found.setdefault(what, {}).setdefault(label, {})
            rows[name] = {f"{what}_rtf": _rtf(timing).tolist()}
    return found


def length_costs(timings: Timings) -> dict[str, dict[str, Any]]:
    """Contestant -> time per second of audio of the longest text / that of the other lengths."""
    labels = [label for what, label in timings.of if what == SPEECH]
    found: dict[str, dict[str, Any]] = {}
    for shorter in labels[:-1]:
        longest, before = (timings.of[SPEECH, label] for label in (labels[-1], shorter))
        for name in longest:
            if name in before:
                ratio = speedup(_rtf(longest[name]), _rtf(before[name]))
                found.setdefault(name, {})[f"{labels[-1]} / {shorter}"] = ratio.figure
    return found


def speedup(slow: Values, quick: Values, seed: int = 0) -> Estimate:
    """Ratio of medians with its interval; whole rounds are resampled, both have the same luck.

    Args:
        slow, quick: (rounds,) of the same rounds.
    """

    def ratios(rounds: NDArray[np.intp]) -> Values:
        found: Values = np.median(slow[rounds], axis=1) / np.median(quick[rounds], axis=1)
        return found

    return bootstrap(ratios, len(slow), seed)


def error_db(made: Floats, expected: Floats) -> float:
    """Energy of the difference of two (T,) waveforms / energy of the second, in dB."""
    error = float(np.sum((made.astype(np.float64) - expected) ** 2))
    energy = float(np.sum(expected.astype(np.float64) ** 2))
    if error == 0:
        return SAME_DB
    return max(SAME_DB, 10 * float(np.log10(error / energy))) if energy else -SAME_DB


def _deviations(audio: Mapping[str, Floats]) -> Iterator[tuple[str, dict[str, float]]]:
    expected = audio.get(REFERENCE)
    if expected is None:
        return
    for name, made in audio.items():
        if made.shape == expected.shape:  # else a duration was rounded the other way
            yield (
                name,
                {
                    "error_db": error_db(made, expected),
                    "log_spectral_db": log_spectral_distance(made, expected),
                },
            )


def _rtf(timing: Timing) -> Values:
    return np.array(timing.runs_s) / timing.audio_s
