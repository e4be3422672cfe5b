"""The figures as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlpo_bench.rtf.cases import DENOISER, SPEECH
from dlpo_bench.rtf.contestants import EAGER, EAGER_IN_CHUNKS, PAPER

NAME = 22  # letters of a contestant's column


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """A table for each case: the fastest, median and spread of the real-time factor, speed-ups."""
    chain = figures["chain"]
    yield (f"{figures['model']}, N = {chain['steps']} of {chain['schedule']}; {figures['weights']}")
    for what in (SPEECH, DENOISER):
        for label, case in figures.get(what, {}).items():
            yield ""
            header = "".join(f"{word:>11}" for word in ("RTF median", "least", "spread", "first"))
            title = f"{what} {label} ({case['audio_s']:.2f} s)"
            yield f"{title:{NAME + 8}}{header}   x {PAPER}; x {EAGER}; x {EAGER_IN_CHUNKS}"
            for name, row in case["contestants"].items():
                yield _row(name, row)
    yield ""
    for name, reason in figures["skipped"].items():
        yield f"skipped {name}: {reason}"


def _row(name: str, row: Mapping[str, Any]) -> str:
    keys = ("rtf_median", "rtf_min", "rtf_spread", "first_rtf")
    times = "; ".join(
        _speedup(row["speedup"][baseline]) if baseline in row["speedup"] else "-"
        for baseline in (PAPER, EAGER, EAGER_IN_CHUNKS)
    )
    how = f", extrapolated from {row['timed_steps']} steps" if "timed_steps" in row else ""
    shown = "".join(f"{row[key]:11.4g}" for key in keys)
    return f"  {name:{NAME + 6}}{shown}   {times}{how}"


def _speedup(ratio: Mapping[str, Any]) -> str:
    low, high = ratio["interval_95"]
    return f"{ratio['value']:.3g} [{low:.3g}, {high:.3g}]"
