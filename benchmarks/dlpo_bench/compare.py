"""Is a newer record slower? Compares two records of one kind by their raw samples.

The samples of one run share its conditions: other load on the machine, clock speed, memory
placement. The interval and the test say whether two runs differ, not why; repeat a run without any
change to see how far apart two runs can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from dlpo.errors import DataError
from dlpo_bench.record import Record
from dlpo_bench.statistics import RESAMPLES, SEED, SIGNIFICANT, Estimate, of_resamples

JUDGED = ("quality", "kinds", "endings")  # kinds of record whose samples are scores of clips
TIMES = ("_ms", "rtf")  # ends of the names of what should be short
OF_CLIENTS = "late_ms"  # says nothing about the server
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measure in both records."""

    name: str
    """path of its samples in the record, joined by dots"""
    samples: tuple[int, int]
    """number of samples before and after"""
    medians: tuple[float, float]
    ratio: Estimate
    """median after / median before"""
    p: float
    """Mann-Whitney, two-sided"""

    @property
    def verdict(self) -> str:
        """slower or faster, undecided unless the interval excludes 1 and the test agrees, or no
        verdict if the measure is not a time."""
        if not self.name.endswith(TIMES) or self.name.endswith(OF_CLIENTS):
            return "no verdict"
        if not (self.ratio.low > 1 or self.ratio.high < 1) or self.p >= SIGNIFICANT:
            return "undecided"
        return "slower" if self.ratio.value > 1 else "faster"

    def got_worse(self, beyond: float) -> bool:
        """Whether it significantly got slower, by more than this ratio."""
        return self.verdict == "slower" and self.ratio.value > beyond

    def __str__(self) -> str:
        (before, after), r = self.medians, self.ratio
        p = f"p {self.p:.3f}" if self.p >= 0.001 else "p < 0.001"
        return (
            f"{self.name}: {before:.4g}, {after:.4g}; {r.value:.3f} [{r.low:.3f}, {r.high:.3f}];"
            f" {p}; {self.samples[0]}, {self.samples[1]}; {self.verdict}"
        )


def check_pair(before: Record, after: Record) -> list[str]:
    """What makes two records of one kind hard to compare; empty if nothing does.

    Raises:
        DataError: the records are of different kinds, or of judges.
    """
    if before.kind != after.kind:
        raise DataError(
            f"one record is of kind {before.kind!r}, the other of kind {after.kind!r};"
            " only records of one kind can be compared"
        )
    if before.kind in JUDGED:
        raise DataError(
            f"records of kind {before.kind!r} have scores, not times; let the same judges compare"
            " both voices clip by clip: dlpo eval before=A after=B"
        )
    machines = [
        f"{name}: {before.machine.get(name)} before, {after.machine.get(name)} after"
        for name in sorted(before.machine.keys() | after.machine.keys())
        if name != "cpu_mhz" and before.machine.get(name) != after.machine.get(name)
    ]
    return [f"the machines differ, and so do times on them; {line}" for line in machines]


def compare_samples(
    before: Record, after: Record, relative_to: str | None = None
) -> tuple[list[Ratio], list[str]]:
    """Compare every list of numbers that both records have under the same name.

    Args:
        relative_to: compare ratios to this contestant, see `over_baseline`.

    Returns:
        The comparisons, and what could not be compared with the reason.

    Raises:
        DataError: the records share no raw samples that have a ratio.
    """
    if relative_to is not None:
        before, after = (over_baseline(one, relative_to) for one in (before, after))
    olds, news = dict(_numbers(before.samples)), dict(_numbers(after.samples))
    ratios, problems = [], []
    for name in dict.fromkeys([*olds, *news]):
        if name not in olds or name not in news:
            problems.append(f"{name}: only in the {'first' if name in olds else 'second'} record")
        elif not all(np.isfinite(v).all() and v.min() > 0 for v in (olds[name], news[name])):
            problems.append(f"{name}: samples at or below 0, or infinite, have no ratio")
        else:
            ratios.append(compare_medians(name, olds[name], news[name]))
    if not ratios:
        reasons = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(
            f"nothing to compare: no raw samples above 0 that both records have{reasons}"
        )
    return ratios, problems


def over_baseline(record: Record, baseline: str) -> Record:
    """The record with every sample divided by the baseline's sample from the same turn.

    Such ratios depend less on the machine than times do, so runs on two machines can be compared.

    Args:
        record: has raw samples by contestant, such as one of kind "rtf".
        baseline: one of its contestants, such as "cpu:fp32".

    Raises:
        DataError: no samples of that name next to others.
    """
    samples = _over(baseline, record.samples)
    if not samples:
        raise DataError(
            f"a record of kind {record.kind!r} has no samples of {baseline!r} next to others that"
            " they could be compared with"
        )
    return replace(record, samples=samples)


def compare_medians(name: str, before: Floats, after: Floats) -> Ratio:
    """Ratio of medians with its percentile bootstrap interval, and the rank test.

    Args:
        before: (S,) samples above 0.
        after: (T,) samples above 0; the two are resampled independently.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13;
    Mann and Whitney, On a Test of Whether one of Two Random Variables ..., 1947.
    """
    rng = np.random.default_rng(SEED)
    over, under = (
        np.median(values[rng.integers(len(values), size=(RESAMPLES, len(values)))], axis=1)
        for values in (after, before)
    )
    medians = float(np.median(before)), float(np.median(after))
    ratio = of_resamples(medians[1] / medians[0], over / under)
    p = float(mannwhitneyu(before, after).pvalue)
    return Ratio(name, (len(before), len(after)), medians, ratio, p)


def _numbers(samples: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Floats]]:
    """Every list of numbers among the samples, with the path of keys to it."""
    for key, value in samples.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}.")
        elif _is_numbers(value):
            yield name, np.array(value, np.float64)


def _over(baseline: str, samples: Mapping[str, Any]) -> dict[str, Any]:
    """Samples divided by the baseline's, wherever the baseline is among them."""
    base = samples.get(baseline)
    if not isinstance(base, Mapping):
        parts = {k: _over(baseline, v) for k, v in samples.items() if isinstance(v, Mapping)}
        return {key: part for key, part in parts.items() if part}
    return {
        f"{key} / {baseline}": {
            measure: (np.array(times) / np.array(base[measure])).tolist()
            for measure, times in value.items()
            if _is_numbers(times) and len(times) == len(base.get(measure, ()))
        }
        for key, value in samples.items()
        if key != baseline and isinstance(value, Mapping)
    }


def _is_numbers(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 1
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    )
