"""The whole measurement: lengths, streams, and the ratios of the longest text to the shortest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlpo_bench.compare import compare_medians
from dlpo_bench.noise import watch_machine
from dlpo_bench.scaling.lengths import length_figures, measure_lengths, rtf_samples
from dlpo_bench.scaling.options import ScalingOptions
from dlpo_bench.scaling.streams import measure_streams, stream_figures

SHORT, LONG = "5", "60"  # seconds; of the ratios
RATIOS = ("rtf", "cpu_rtf", "peak_mb", "first_audio_ms")


@dataclass(frozen=True, slots=True)
class ScalingMeasured:
    """What a run gives."""

    figures: dict[str, Any]
    samples: dict[str, Any]
    warnings: Sequence[str]
    """what disturbed it"""


def measure_scaling(options: ScalingOptions, tell: Callable[[str], None]) -> ScalingMeasured:
    """Measure what `options` asks for.

    Args:
        tell: told what is done.

    Returns:
        Figures by way and length and by number of streams; `ratios`: way -> measure -> that at
        60 s / that at 5 s with its 95 % interval, where both lengths were spoken.

    Raises:
        EngineError: a process or a server failed.
    """
    with watch_machine() as watch:
        lengths = measure_lengths(options, tell)
        streams = measure_streams(options, tell)
    samples = {
        way: {length: rtf_samples(runs) for length, runs in by_length.items()}
        for way, by_length in lengths.items()
    }
    figures = {
        "machine": watch.noise.figures(),
        "rounds": options.rounds,
        "core": options.core,
        "ratios": {way: found for way, one in samples.items() if (found := long_over_short(one))},
        "lengths": {
            way: {length: length_figures(runs) for length, runs in by_length.items()}
            for way, by_length in lengths.items()
        },
        "streams": {count: stream_figures(runs) for count, runs in streams.items()},
    }
    readings = {
        way: {length: [run["resident_mb"] for run in runs] for length, runs in by_length.items()}
        for way, by_length in lengths.items()
        if way != "whole"
    }
    return ScalingMeasured(
        figures,
        {"lengths": samples, "readings": readings, "streams": streams},
        watch.noise.warnings(),
    )


def long_over_short(samples: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Measure -> ratio of medians of `LONG` to `SHORT`; empty where one of them is missing."""
    if SHORT not in samples or LONG not in samples:
        return {}
    found = {}
    for measure in RATIOS:
        if measure in samples[SHORT]:
            short, long = (np.array(samples[length][measure]) for length in (SHORT, LONG))
            found[measure] = compare_medians(measure, short, long).ratio.figure
    return found
