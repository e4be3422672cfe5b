"""Is a newer record slower, or worse? Two records of one kind, by their raw samples.

Samples of one run share its luck: the machine's other work, its clock, where memory happened to
lie. The interval and the test tell whether two runs differ, not yet why; a run repeated without a
change shows how far apart two can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from dlpo.errors import DataError
from dlpo_bench.bootstrap import CONFIDENCE, RESAMPLES, Estimate
from dlpo_bench.measures import MEASURES, verdict
from dlpo_bench.paired import SIGNIFICANT
from dlpo_bench.record import Record

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measure in both records."""

    name: str
    """where its samples lie in the record, joined by dots"""
    samples: tuple[int, int]
    """how many before, how many after"""
    medians: tuple[float, float]
    ratio: Estimate
    """median after / median before"""
    p: float
    """Mann-Whitney, two-sided"""

    @property
    def decided(self) -> bool:
        """The interval leaves 1 out and the test agrees."""
        return (self.ratio.low > 1 or self.ratio.high < 1) and self.p < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """slower, faster (worse, better), undecided, or none where the measure is unknown."""
        return verdict(_last(self.name), self.ratio.value > 1, self.decided)

    def got_worse(self, beyond: float) -> bool:
        """Whether it is decided that it got slower or worse, and by more than this ratio."""
        measure = MEASURES.get(_last(self.name))
        if measure is None or not self.decided:
            return False
        return (self.ratio.value if measure.more_is_worse else 1 / self.ratio.value) > beyond


def check_pair(before: Record, after: Record) -> list[str]:
    """What makes two records of one kind hard to compare; empty if nothing does.

    Raises:
        DataError: they are of different kinds.
    """
    if before.kind != after.kind:
        raise DataError(
            f"one record is of kind {before.kind!r}, the other of kind {after.kind!r};"
            " only records of one kind can be compared"
        )
    machines = [
        f"{name}: {before.machine.get(name)} before, {after.machine.get(name)} after"
        for name in sorted(before.machine.keys() | after.machine.keys())
        if before.machine.get(name) != after.machine.get(name)
    ]
    return [f"the machines differ, and so do times on them; {line}" for line in machines]


def compare_samples(before: Record, after: Record) -> tuple[list[Ratio], list[str]]:
    """Compare every list of numbers that both records have under one name.

    Returns:
        The comparisons; and what could not be compared, with its reason.

    Raises:
        DataError: the records have no raw samples in common that have a ratio.
    """
    olds, news = dict(_numbers(before.samples)), dict(_numbers(after.samples))
    ratios, problems = [], []
    for name in olds:
        if name not in news:
            problems.append(f"{name}: only in the first record")
        elif not all(_have_ratio(values) for values in (olds[name], news[name])):
            problems.append(f"{name}: samples at or below 0, or infinite, have no ratio")
        else:
            ratios.append(compare_medians(name, olds[name], news[name]))
    problems += [f"{name}: only in the second record" for name in news if name not in olds]
    if not ratios:
        reasons = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(
            f"nothing to compare: no raw samples above 0 that both records have{reasons}"
        )
    return ratios, problems


def over_baseline(record: Record, baseline: str) -> Record:
    """The record with samples of everything that was timed in turns with the baseline, over it.

    Such ratios hang less on the machine than times do: a run on one can be held against a record
    of another.

    Args:
        record: with raw samples by contestant, such as one of kind "rtf".
        baseline: one of its contestants, such as "cpu:fp32".

    Raises:
        DataError: nothing of that name has samples beside others.
    """
    samples = dict(_over(baseline, record.samples))
    if not samples:
        raise DataError(
            f"a record of kind {record.kind!r} has no samples of {baseline!r} beside others, to"
            " which they could be compared"
        )
    return replace(record, samples=samples)


def compare_medians(name: str, before: Floats, after: Floats, seed: int = 0) -> Ratio:
    """Ratio of medians with its percentile bootstrap interval, and the rank test.

    Args:
        before: (S,) samples above 0.
        after: (T,) likewise.
        seed: of the resampling; the two are resampled independently.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13;
    Mann and Whitney, On a Test of Whether one of Two Random Variables ..., 1947.
    """
    rng = np.random.default_rng(seed)
    over, under = _medians(after, rng), _medians(before, rng)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(over / under, [tail, 1 - tail])
    medians = float(np.median(before)), float(np.median(after))
    return Ratio(
        name,
        (len(before), len(after)),
        medians,
        Estimate(medians[1] / medians[0], float(low), float(high)),
        float(mannwhitneyu(before, after).pvalue),
    )


def _medians(values: Floats, rng: np.random.Generator) -> Floats:
    """(RESAMPLES,) medians of resamples."""
    found: Floats = np.median(
        values[rng.integers(len(values), size=(RESAMPLES, len(values)))], axis=1
    )
    return found


def _numbers(samples: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Floats]]:
    """Every list of numbers among the samples, with the keys that lead to it."""
    for key, value in samples.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}.")
        elif _is_numbers(value):
            yield name, np.array(value, np.float64)


def _over(baseline: str, samples: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if baseline not in samples:
        for key, value in samples.items():
            if isinstance(value, Mapping) and (within := dict(_over(baseline, value))):
                yield key, within
        return
    base = samples[baseline]
    for key, value in samples.items():
        if key == baseline or not (isinstance(value, Mapping) and isinstance(base, Mapping)):
            continue
        yield (
            f"{key} / {baseline}",
            {
                measure: [a / b for a, b in zip(times, base[measure], strict=True)]
                for measure, times in value.items()
                if _is_numbers(times) and len(times) == len(base.get(measure, ()))
            },
        )


def _have_ratio(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and values.min() > 0)


def _is_numbers(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 1
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    )


def _last(name: str) -> str:
    return name.rpartition(".")[2]
