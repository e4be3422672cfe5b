"""Is a newer record slower or worse? Compares two records of one kind by their raw samples.

The samples of one run share its conditions: other load on the machine, clock speed, memory
placement. The interval and the test say whether two runs differ, not why; repeat a run without any
change to see how far apart two runs can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from dlpo.errors import DataError
from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS, error_fields
from dlpo_bench.record import Record
from dlpo_bench.statistics import (
    RESAMPLES,
    SEED,
    SIGNIFICANT,
    Estimate,
    Paired,
    of_resamples,
    paired,
)

UNDECIDED, NO_VERDICT = "undecided", "no verdict"
Floats = NDArray[np.float64]
Scored = tuple[Floats, Floats | None]
"""(clips,) values, and the counts that errors are out of."""
KINDS = (
    "quality", "kinds", "tuning-comparison", "pareto", "controls", "learning-curve", "endings"
)  # fmt: skip
"""Kinds of record whose samples are scores of clips, by system."""
DIGITS = 3  # of a difference; a judge's own arithmetic differs by 1e-6 between machines
TIMES = (  # in records that are not from judges
    "first_audio_ms", "stream_rtf", "python_ms", "imports_ms", "open_voice_ms", "first_chunk_ms",
    "processor_ms", "whole_ms", "stream_ms", "processor_ms_per_s", "open_ms", "refusal_ms",
    "freed_ms", "gap_ms", "first_token_to_speech_ms", "last_token_to_end_of_speech_ms",
    "speech_rtf", "denoiser_rtf", "kernel_ms", "graph_ms",
)  # fmt: skip
SCORES = (
    "DistillMOS", "NISQA", "NISQA-TTS", "DNSMOS P.808", "P.835 SIG", "P.835 BAK", "P.835 OVRL",
    "PLCMOS", "UTMOS", "speaker cosine",
)  # fmt: skip
COSTS = (*error_fields(WORD_ERRORS), CHARACTER_ERRORS)


@dataclass(frozen=True, slots=True)
class Measure:
    """What to call an increase and a decrease."""

    more: str
    less: str
    more_is_worse: bool


_TIME = Measure("slower", "faster", more_is_worse=True)
_COST = Measure("worse", "better", more_is_worse=True)
_SCORE = Measure("better", "worse", more_is_worse=False)

MEASURES: Mapping[str, Measure] = (
    dict.fromkeys(TIMES, _TIME) | dict.fromkeys(SCORES, _SCORE) | dict.fromkeys(COSTS, _COST)
)
"""By the last part of the sample's name. Other measures get no verdict."""


def verdict(name: str, more: bool, decided: bool) -> str:
    """What an increase or decrease of a measure means.

    Returns:
        The measure's own word; `UNDECIDED` if the change is not certain, `NO_VERDICT` if neither
        direction is known to be good.
    """
    measure = MEASURES.get(name) or MEASURES.get(name.partition(", ")[0])
    if measure is None:
        return NO_VERDICT
    if not decided:
        return UNDECIDED
    return measure.more if more else measure.less


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
    def decided(self) -> bool:
        """The interval excludes 1 and the test agrees."""
        return (self.ratio.low > 1 or self.ratio.high < 1) and self.p < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """slower, faster (worse, better), undecided, or none if the measure is unknown."""
        return verdict(self.name.rpartition(".")[2], self.ratio.value > 1, self.decided)

    def got_worse(self, beyond: float) -> bool:
        """Whether it significantly got slower or worse, by more than this ratio."""
        measure = MEASURES.get(self.name.rpartition(".")[2])
        if measure is None or not self.decided:
            return False
        return (self.ratio.value if measure.more_is_worse else 1 / self.ratio.value) > beyond

    def __str__(self) -> str:
        (before, after), r = self.medians, self.ratio
        return (
            f"{self.name}: {before:.4g}, {after:.4g}; {r.value:.3f} [{r.low:.3f}, {r.high:.3f}];"
            f" {_p(self.p)}; {self.samples[0]}, {self.samples[1]}; {self.verdict}"
        )


def check_pair(before: Record, after: Record) -> list[str]:
    """What makes two records of one kind hard to compare; empty if nothing does.

    Raises:
        DataError: the records are of different kinds.
    """
    if before.kind != after.kind:
        raise DataError(
            f"one record is of kind {before.kind!r}, the other of kind {after.kind!r};"
            " only records of one kind can be compared"
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


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one system that both records contain."""

    system: str
    """with the kind of its clips, if they have kinds"""
    measure: str
    paired: Paired
    """the second record minus the first, over clips judged in both"""

    @property
    def verdict(self) -> str:
        """better, worse, undecided, or none if neither direction is known to be good."""
        return verdict(self.measure, self.paired.difference.value > 0, self.paired.decided)

    def __str__(self) -> str:
        d = self.paired.difference
        return (
            f"{self.system}, {self.measure}: {d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}];"
            f" {_p(self.paired.p)}; {self.paired.sentences}; {self.verdict}"
        )


def compare_clips(before: Record, after: Record) -> tuple[list[Change], list[str]]:
    """Compare systems of the same name on the clips that have the same text in both records.

    Returns:
        The changes by system, and what was left out or makes them doubtful.

    Raises:
        DataError: no clip or no system in common, or samples in another layout.
    """
    try:
        return _compare(before.samples, after.samples)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the samples are not those of judges ({type(error).__name__}: {error}); measure again"
            " with this version"
        ) from error


def _compare(olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[Change], list[str]]:
    problems = []
    there = {clip: place for place, clip in enumerate(news["clips"])}
    shared = [(i, there[clip]) for i, clip in enumerate(olds["clips"]) if clip in there]
    pairs = [(i, j) for i, j in shared if olds["texts"][i] == news["texts"][j]]
    if other_text := [olds["clips"][i] for i, j in shared if (i, j) not in pairs]:
        problems.append(f"left out, for their texts differ: {', '.join(other_text)}")
    if not pairs:
        raise DataError("nothing to compare: the records have no clip in common")
    most = max(len(olds["clips"]), len(news["clips"]))
    if len(pairs) < most:
        problems.append(f"{len(pairs)} clips of up to {most} are in both records")
    if olds.get("matched") != news.get("matched"):
        problems.append("clips did not get equal levels and ends in the same way in both records")
    if olds.get("recognisers") != news.get("recognisers"):
        problems.append("words were not understood by the same recognisers in both records")
    systems = [name for name in olds["systems"] if name in news["systems"]]
    if not systems:
        raise DataError(
            f"nothing to compare: the systems are {', '.join(olds['systems'])} in one record,"
            f" {', '.join(news['systems'])} in the other"
        )
    if others := sorted(olds["systems"].keys() ^ news["systems"].keys()):
        problems.append(f"only in one record: {', '.join(others)}")
    kinds = olds.get("kinds") or [None] * len(olds["clips"])
    changes: list[Change] = []
    for system, kind in product(systems, dict.fromkeys(kinds)):
        of_kind = [pair for pair in pairs if kinds[pair[0]] == kind]
        if of_kind:
            name = f"{system}, {kind}" if kind else system
            changes += _changes(name, _scores(olds, system), _scores(news, system), of_kind)
    return changes, problems


def _changes(
    name: str,
    old: Mapping[str, Scored],
    new: Mapping[str, Scored],
    pairs: Sequence[tuple[int, int]],
) -> Iterator[Change]:
    """The changes of a system over pairs of a clip's places in both records."""
    first, second = (np.array(places) for places in zip(*pairs, strict=True))
    for measure in (m for m in old if m in new):
        (before, weights), (after, _) = old[measure], new[measure]
        apart = np.round(after[second] - before[first], DIGITS)
        judged = np.isfinite(apart)
        if judged.any():
            under = None if weights is None else weights[first][judged]
            yield Change(name, measure, paired(apart[judged], under))


def _scores(samples: Mapping[str, Any], system: str) -> dict[str, Scored]:
    """Measure -> (clips,) values, NaN where the judge failed; and the counts they are out of."""
    scores = samples["systems"][system]
    found: dict[str, Scored] = {
        measure: (_floats(values), None) for measure, values in scores["values"].items()
    }
    for measure, errors in scores["errors"].items():
        unit = "characters" if measure.startswith(CHARACTER_ERRORS) else "words"
        found[measure] = (_floats(errors), _floats(samples[unit]))
    return found


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if x is None else x for x in values], np.float64)


def _p(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"
