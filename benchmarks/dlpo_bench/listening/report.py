"""Which system raters prefer, and how certain that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import binomtest

from dlpo.errors import DataError, writing
from dlpo_bench.listening.answers import SYSTEMS, AnswerKey, Collected
from dlpo_bench.statistics import CONFIDENCE, SIGNIFICANT
from dlpo_bench.tables import table


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `of`, with its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    share: float | None
    """None if `of` is 0."""
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """`61% [52%, 70%]`."""
        if self.share is None:
            return "–"
        return f"{self.share:.0%} [{self.low:.0%}, {self.high:.0%}]"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a listening test."""

    test_id: str
    systems: Mapping[str, str]
    """"a" and "b" -> system name."""
    raters: tuple[str, ...]
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
    problems: tuple[str, ...]
    """Answer lines that could not be read."""


def make_report(key: AnswerKey, collected: Collected) -> Report:
    """Count the answers to a test; of a rater's, the later one to a trial.

    Raises:
        DataError: there are no answers.
    """
    if not collected.answers:
        raise DataError("there are no answers; name the files that raters sent")
    trials = {trial.trial_id: trial for trial in key.trials}
    liked = {  # later sessions last
        (answer.who, answer.trial): answer.liked(trials[answer.trial])
        for answer in collected.answers
    }
    a, b, same = ([*liked.values()].count(side) for side in (*SYSTEMS, "same"))
    return Report(
        test_id=key.test_id,
        systems=dict(key.systems),
        raters=tuple(sorted({rater for rater, _ in liked})),
        a=proportion(a, len(liked)),
        b=proportion(b, len(liked)),
        same=proportion(same, len(liked)),
        a_of_decided=proportion(a, a + b),
        p_value=float(binomtest(a, a + b).pvalue) if a + b else None,
        problems=collected.problems,
    )


def proportion(count: int, of: int) -> Proportion:
    """A proportion with its exact interval."""
    if not of:
        return Proportion(count, of, None, None, None)
    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="exact")
    return Proportion(count, of, count / of, float(interval.low), float(interval.high))


def markdown(report: Report) -> str:
    """The report, for the terminal and for `report.md`."""
    a, b = (escaped(report.systems[side]) for side in SYSTEMS)
    answers = {a: report.a, b: report.b, "no difference": report.same}
    parts = [
        f"# {a} or {b}?",
        f"Blind test {report.test_id}: {len(report.raters)} raters, {report.a.of} answers.",
        table(
            ["preferred", "answers", "share, exact 95 % interval"],
            [[name, str(one.count), str(one)] for name, one in answers.items()],
        ),
        _verdict(report, a, b),
    ]
    if report.problems:
        lines = (f"- {escaped(problem)}" for problem in report.problems)
        parts.append(f"{len(report.problems)} lines could not be read:\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def write_report(report: Report, folder: Path) -> None:
    """Write `report.md` and `report.json` into a folder; raises InputError if that fails."""
    content = json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False)
    with writing(f"the report to {folder}"):
        (folder / "report.md").write_text(markdown(report), "utf-8")
        (folder / "report.json").write_text(content + "\n", "utf-8")


def _verdict(report: Report, a: str, b: str) -> str:
    decided, p = report.a_of_decided, report.p_value
    if decided.share is None or p is None:
        return "No answer preferred either."
    preferred = f"{a if decided.share > 0.5 else b} is preferred"
    return (
        f"**{preferred if p < SIGNIFICANT else 'Undecided'}**: of {decided.of} decided answers"
        f" {decided} were for {a} (two-sided binomial test, p"
        f" {'< 0.001' if p < 0.001 else f'= {p:.3f}'})."
    )


def escaped(text: str) -> str:
    """Escape a name, or what a rater sent: it must not become a table, a link or HTML."""
    found = text.replace("\\", "\\\\").replace("<", "&lt;")
    for mark in "[]*_`":
        found = found.replace(mark, f"\\{mark}")
    return found
