"""Which system raters prefer, and how certain that is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from dlpo.errors import DataError, writing
from dlpo_bench.listening.answers import (
    SYSTEMS,
    AnswerKey,
    Collected,
)
from dlpo_bench.statistics import CONFIDENCE, SIGNIFICANT, Estimate, ratio_of_sums
from dlpo_bench.tables import table

DEGRADED_RIGHT = 0.75  # the lowest share of degraded sounds that an attentive listener finds
IDENTICAL_RIGHT = 0.5  # half: asked for a difference, some hear one everywhere
CATCH_ANSWERS = {"identical": ("same",), "degraded": SYSTEMS}  # the right ones


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `of`, with its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    share: float | None
    """None if `of` is 0."""
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Preference:
    """The preferences in a set of answers."""

    a: Proportion
    """Answers that preferred the first system."""
    b: Proportion
    """Answers that preferred the second system."""
    same: Proportion
    """Answers of no difference, or none that matters."""
    a_of_decided: Proportion
    """The first system's share of the answers that preferred one."""
    p_value: float | None
    """Two-sided binomial test of that share against 1/2; None if no answer preferred one."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a listening test."""

    test_id: str
    systems: dict[str, str]
    """"a" and "b" -> system name."""
    pooled: Preference
    """Over all raters that count."""
    over_sentences: Estimate | None
    """`pooled.a_of_decided` with a 95 % bootstrap interval over sentences: how much it depends on
    the choice of sentences. None if no answer preferred a system."""
    counted: tuple[str, ...]
    """Names of the raters that count."""
    left_out: dict[str, str]
    """Name of each other rater -> why the catch trials disqualify them."""
    problems: tuple[str, ...]
    """Answer lines that could not be read."""


def make_report(key: AnswerKey, collected: Collected, *, trust_all: bool = False) -> Report:
    """Count the answers to a test.

    Raises:
        DataError: there are no answers.
    """
    if not collected.answers:
        raise DataError("there are no answers; name the files that raters sent")
    trials = {trial.trial_id: trial for trial in key.trials}
    by_rater: dict[str, dict[str, str]] = defaultdict(dict)  # rater -> trial -> what was liked
    for answer in collected.answers:  # later sessions last
        by_rater[answer.who][answer.trial] = answer.liked(trials[answer.trial])
    failed = {} if trust_all else {name: _failed(key, by_rater[name]) for name in by_rater}
    counted = sorted(name for name in by_rater if not failed.get(name))
    heard = [
        (trial_id, liked)
        for name in counted
        for trial_id, liked in by_rater[name].items()
        if trials[trial_id].kind == "pair"
    ]
    return Report(
        test_id=key.test_id,
        systems=dict(key.systems),
        pooled=preference([liked for _, liked in heard]),
        over_sentences=_over_sentences(heard),
        counted=tuple(counted),
        left_out={name: why for name, why in sorted(failed.items()) if why},
        problems=collected.problems,
    )


def preference(liked: Sequence[str]) -> Preference:
    """Count answers of "a", "b" or "same"."""
    a, b, same = (liked.count(name) for name in (*SYSTEMS, "same"))
    of_a, of_b, of_same = (proportion(count, len(liked)) for count in (a, b, same))
    return Preference(of_a, of_b, of_same, proportion(a, a + b), p_value(a, a + b))


def proportion(count: int, of: int) -> Proportion:
    """A proportion with its exact interval."""
    if not of:
        return Proportion(count, of, None, None, None)
    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="exact")
    return Proportion(count, of, count / of, float(interval.low), float(interval.high))


def p_value(count: int, of: int) -> float | None:
    """p of the two-sided binomial test against 1/2; None if `of` is 0."""
    return float(binomtest(count, of).pvalue) if of else None


def _failed(key: AnswerKey, liked: Mapping[str, str]) -> str:
    """Which catch trials a rater failed, by their answers (trial -> liked); empty if none."""
    caught = {"identical": 0, "degraded": 0}
    right = {"identical": 0, "degraded": 0}
    for trial in key.trials:
        if trial.kind == "pair" or trial.trial_id not in liked:
            continue
        caught[trial.kind] += 1
        right[trial.kind] += liked[trial.trial_id] in CATCH_ANSWERS[trial.kind]
    if not caught["degraded"] and any(trial.kind == "degraded" for trial in key.trials):
        return "answered no trial with a degraded sound"
    if right["degraded"] < DEGRADED_RIGHT * caught["degraded"]:
        return f"found {right['degraded']} of {caught['degraded']} degraded sounds"
    if right["identical"] < IDENTICAL_RIGHT * caught["identical"]:
        wrong = caught["identical"] - right["identical"]
        return f"preferred one of two identical sounds in {wrong} of {caught['identical']} trials"
    return ""


def _over_sentences(heard: Sequence[tuple[str, str]]) -> Estimate | None:
    """Of (trial, liked): the first system's share, by sentence."""
    by_trial: dict[str, list[str]] = defaultdict(list)
    for trial_id, liked in heard:
        by_trial[trial_id].append(liked)
    a, b = (np.array([one.count(side) for one in by_trial.values()]) for side in SYSTEMS)
    return ratio_of_sums(a, a + b) if (a + b).any() else None


def markdown(report: Report) -> str:
    """The report, for the terminal and for `report.md`."""
    a, b = (escaped(report.systems[side]) for side in SYSTEMS)
    pooled = report.pooled
    answers = zip((a, b, "no difference"), (pooled.a, pooled.b, pooled.same), strict=True)
    raters = len(report.counted) + len(report.left_out)
    found = [
        f"# {a} or {b}?",
        f"Blind test {report.test_id}: {len(report.counted)} of {raters} raters count,"
        f" {pooled.a.of} answers to pairs.",
        table(
            ["preferred", "answers", "share, exact 95 % interval"],
            [[name, str(one.count), proportion_words(one)] for name, one in answers],
        ),
        _verdict(report),
    ]
    if report.left_out:
        lines = (f"- {escaped(name)} {why}" for name, why in report.left_out.items())
        found.append("Left out by the catch trials:\n\n" + "\n".join(lines))
    if report.problems:
        lines = (f"- {escaped(problem)}" for problem in report.problems)
        found.append(f"{len(report.problems)} lines could not be read:\n\n" + "\n".join(lines))
    return "\n\n".join(found) + "\n"


def write_report(report: Report, folder: Path) -> None:
    """Write `report.md` and `report.json` into a folder; raises InputError if that fails."""
    content = json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False)
    with writing(f"the report to {folder}"):
        (folder / "report.md").write_text(markdown(report), "utf-8")
        (folder / "report.json").write_text(content + "\n", "utf-8")


def _verdict(report: Report) -> str:
    decided = report.pooled.a_of_decided
    p = report.pooled.p_value
    sentences = report.over_sentences
    if decided.share is None or p is None or sentences is None:
        return "No answer preferred either."
    winner = escaped(report.systems["a" if decided.share > 0.5 else "b"])
    return (
        f"**{f'{winner} is preferred' if p < SIGNIFICANT else 'Undecided'}**: of {decided.of}"
        f" decided answers {proportion_words(decided)} were for {escaped(report.systems['a'])}"
        f" (two-sided binomial test, p {p_words(p)}). With other sentences it might be"
        f" {sentences.low:.0%} to {sentences.high:.0%} (bootstrap)."
    )


def proportion_words(one: Proportion) -> str:
    """`61% [52%, 70%]`."""
    if one.share is None or one.low is None or one.high is None:
        return "–"
    return f"{one.share:.0%} [{one.low:.0%}, {one.high:.0%}]"


def p_words(p: float | None) -> str:
    """`< 0.001` or `= 0.012`."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def escaped(text: str) -> str:
    """Escape a name given by a rater: it must not become a table, a link or HTML."""
    found = text.replace("\\", "\\\\").replace("<", "&lt;")
    for mark in "[]*_`":
        found = found.replace(mark, f"\\{mark}")
    return found
