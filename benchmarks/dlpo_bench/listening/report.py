"""Which system raters prefer, how certain that is, and how far raters agree."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from dlpo.errors import DataError, writing
from dlpo_bench.listening.answers import (
    SYSTEMS,
    AnswerKey,
    Collected,
    Kind,
    PairTrial,
    RaterAnswer,
)
from dlpo_bench.statistics import CONFIDENCE, SIGNIFICANT, Estimate, ratio_of_sums
from dlpo_bench.tables import Block, Table, markdown

DEGRADED_RIGHT = 0.75  # the lowest share of degraded sounds that an attentive listener finds
IDENTICAL_RIGHT = 0.5  # half: asked for a difference, some hear one everywhere


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal values, with any number of raters and missing values.

    Args:
        units: for each item judged, the values that its raters gave.

    Returns:
        1 for full agreement, 0 for chance, below 0 for less than chance; None if no two raters
        judged the same item, or all values are equal, so that chance is undefined.

    Reference: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section D.
    """
    agreeing = 0.0  # sum of o_cc: pairs of equal values within units
    totals: Counter[str] = Counter()  # n_c: values that can be paired
    for values in units:
        if len(values) < 2:
            continue
        counts = Counter(values)
        totals += counts
        agreeing += sum(c * (c - 1) for c in counts.values()) / (len(values) - 1)
    n = sum(totals.values())
    expected = n * (n - 1) - sum(count * (count - 1) for count in totals.values())
    if not expected:
        return None
    observed = n - agreeing
    return 1 - observed * (n - 1) / expected


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
class Rater:
    """One person, or one anonymous session."""

    name: str
    sessions: tuple[str, ...]
    preference: Preference
    degraded_found: Proportion
    """Trials in which the degraded sound was found to be the worse."""
    identical_found: Proportion
    """Trials in which a sound was found to be no different from itself."""
    distrusted: str
    """Why the catch trials disqualify this rater; empty if they do not."""


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
    raters: tuple[Rater, ...]
    """All raters."""
    counted: tuple[str, ...]
    """Names of the raters that count."""
    alpha: float | None
    """Agreement on the pairs: Krippendorff's alpha, see `krippendorff_alpha`."""
    first_of_decided: Proportion
    """How often the sound presented as A was preferred, among preferences: 1/2 without a bias."""
    first_p_value: float | None
    replaced: int
    """Answers left out because the same rater gave a later one in another session."""
    problems: tuple[str, ...]
    """Answer lines that could not be read."""


def make_report(key: AnswerKey, collected: Collected, *, trust_all: bool = False) -> Report:
    """Count the answers to a test.

    Raises:
        DataError: there are no answers.
    """
    if not collected.answers:
        raise DataError(
            "there are no answers yet; let raters listen ('dlpo listen serve'), or name the files"
            " that they sent"
        )
    trials = {trial.trial_id: trial for trial in key.trials}
    by_rater: dict[str, dict[str, RaterAnswer]] = defaultdict(dict)
    for answer in collected.answers:  # later sessions last
        by_rater[answer.who][answer.trial] = answer
    raters = [_rater(name, key, list(own.values())) for name, own in sorted(by_rater.items())]
    counted = [rater.name for rater in raters if trust_all or not rater.distrusted]
    decisive = [
        (trials[answer.trial], answer)
        for name in counted
        for answer in by_rater[name].values()
        if trials[answer.trial].kind == "pair"
    ]
    heard = [(trial, answer.liked(trial)) for trial, answer in decisive]
    decided = [answer.choice == "first" for _, answer in decisive if answer.choice != "same"]
    return Report(
        test_id=key.test_id,
        systems=dict(key.systems),
        pooled=preference([liked for _, liked in heard]),
        over_sentences=_over_sentences(heard),
        raters=tuple(raters),
        counted=tuple(counted),
        alpha=krippendorff_alpha(_by_trial(heard).values()),
        first_of_decided=proportion(sum(decided), len(decided)),
        first_p_value=p_value(sum(decided), len(decided)),
        replaced=len(collected.answers) - sum(map(len, by_rater.values())),
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


def _rater(name: str, key: AnswerKey, own: Sequence[RaterAnswer]) -> Rater:
    trials = {trial.trial_id: trial for trial in key.trials}
    liked: dict[Kind, list[str]] = {"pair": [], "identical": [], "degraded": []}
    for answer in own:
        trial = trials[answer.trial]
        liked[trial.kind].append(answer.liked(trial))
    degraded = proportion(sum(one in SYSTEMS for one in liked["degraded"]), len(liked["degraded"]))
    identical = proportion(liked["identical"].count("same"), len(liked["identical"]))
    kinds = {trial.kind for trial in key.trials}
    return Rater(
        name,
        tuple(sorted({answer.session for answer in own})),
        preference(liked["pair"]),
        degraded,
        identical,
        _distrust(degraded, identical) if "degraded" in kinds else "",
    )


def _distrust(degraded: Proportion, identical: Proportion) -> str:
    if degraded.share is None:
        return "answered no trial with a degraded sound"
    if degraded.share < DEGRADED_RIGHT:
        return f"found {degraded.count} of {degraded.of} degraded sounds"
    if identical.share is not None and identical.share < IDENTICAL_RIGHT:
        wrong = identical.of - identical.count
        return f"preferred one of two identical sounds in {wrong} of {identical.of} trials"
    return ""


def _by_trial(heard: Sequence[tuple[PairTrial, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for trial, liked in heard:
        values[trial.trial_id].append(liked)
    return values


def _over_sentences(heard: Sequence[tuple[PairTrial, str]]) -> Estimate | None:
    values = list(_by_trial(heard).values())
    a = np.array([liked.count("a") for liked in values])
    decided = a + np.array([liked.count("b") for liked in values])
    return ratio_of_sums(a, decided) if decided.any() else None


def blocks(report: Report) -> list[Block]:
    """The report as tables, for the terminal and for `report.md`."""
    a, b = (escaped(report.systems[side]) for side in SYSTEMS)
    pooled = report.pooled
    answers = zip((a, b, "no difference"), (pooled.a, pooled.b, pooled.same), strict=True)
    rows = []
    for rater in report.raters:
        own, counts = rater.preference, rater.name in report.counted
        note = rater.distrusted and f"{'counted although' if counts else 'left out:'} "
        rows.append([
            escaped(rater.name), str(own.a.count), str(own.b.count), str(own.same.count),
            p_words(own.p_value), f"{rater.degraded_found.count} of {rater.degraded_found.of}",
            f"{rater.identical_found.count} of {rater.identical_found.of}",
            f"{note}{rater.distrusted}",
        ])  # fmt: skip
    alpha = "– (no two raters judged the same pair)"
    if report.alpha is not None:
        alpha = f"{report.alpha:.2f}"
    found: list[Block] = [
        f"# {a} or {b}?",
        f"Blind test {report.test_id}: {len(report.counted)} of {len(report.raters)} raters count,"
        f" {pooled.a.of} answers to pairs.",
        Table(
            ["preferred", "answers", "share, exact 95 % interval"],
            [[name, str(one.count), proportion_words(one)] for name, one in answers],
        ),
        _verdict(report),
        f"- Agreement between raters (Krippendorff's alpha): {alpha}\n"
        "- The sound played as A was preferred in"
        f" {proportion_words(report.first_of_decided)} of the decided answers"
        f" (p {p_words(report.first_p_value)}); without a bias of order 50 %.",
        Table(["rater", a, b, "same", "p", "degraded found", "identical found", ""], rows),
    ]
    if report.replaced:
        found.append(f"{report.replaced} answers were replaced by a later sitting's.")
    if report.problems:
        lines = "\n".join(f"- {escaped(problem)}" for problem in report.problems)
        found.append(f"{len(report.problems)} lines could not be read:\n\n{lines}")
    return found


def write_report(report: Report, folder: Path) -> None:
    """Write `report.md` and `report.json` into a folder; raises InputError if that fails."""
    content = json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False)
    with writing(f"the report to {folder}"):
        (folder / "report.md").write_text(markdown(blocks(report)) + "\n", "utf-8")
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
