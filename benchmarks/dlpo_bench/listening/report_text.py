"""A listening test's result, to read and to keep."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlpo.errors import InputError
from dlpo_bench.listening.report import Report, Share


def figures(report: Report) -> dict[str, Any]:
    """The report as plain dictionaries, for JSON."""
    return asdict(report)


def markdown(report: Report) -> str:
    """The report for people."""
    a, b = report.systems["a"], report.systems["b"]
    pooled, counted = report.pooled, len(report.counted)
    lines = [
        f"# {a} or {b}?",
        "",
        f"Blind test {report.test_id}: {counted} of {len(report.raters)} raters count,"
        f" {pooled.a.of} answers to pairs.",
        "",
        "| preferred | answers | share, exact 95 % interval |",
        "|---|---|---|",
        f"| {_cell(a)} | {pooled.a.count} | {_share(pooled.a)} |",
        f"| {_cell(b)} | {pooled.b.count} | {_share(pooled.b)} |",
        f"| no difference | {pooled.same.count} | {_share(pooled.same)} |",
        "",
        _verdict(report),
        "",
        f"- Agreement between raters (Krippendorff's alpha): {_alpha(report.alpha)}",
        f"- The sound played as A was preferred in {_share(report.first_of_decided)} of the decided"
        f" answers (p {_p(report.first_p_value)}); without a bias of order 50 %.",
        "",
        f"| rater | {_cell(a)} | {_cell(b)} | same | p | degraded found | identical found | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rater in report.raters:
        own, counts = rater.preference, rater.name in report.counted
        note = rater.distrusted and f"{'counted although' if counts else 'left out:'} "
        lines.append(
            f"| {_cell(rater.name)} | {own.a.count} | {own.b.count} | {own.same.count}"
            f" | {_p(own.p_value)} | {rater.degraded_found.count} of {rater.degraded_found.of}"
            f" | {rater.identical_found.count} of {rater.identical_found.of}"
            f" | {note}{rater.distrusted} |"
        )
    if report.replaced:
        lines += ["", f"{report.replaced} answers were replaced by a later sitting's."]
    if report.problems:
        lines += ["", f"{len(report.problems)} lines could not be read:", ""]
        lines += [f"- {_cell(problem)}" for problem in report.problems]
    return "\n".join(lines) + "\n"


def write_report(report: Report, folder: Path) -> None:
    """Write `report.md` and `report.json` into a folder.

    Raises:
        InputError: it can't be written.
    """
    content = json.dumps(figures(report), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        (folder / "report.md").write_text(markdown(report), "utf-8")
        (folder / "report.json").write_text(content + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"can't write the report to {folder}: {error.strerror}") from error


def _verdict(report: Report) -> str:
    decided, p = report.pooled.a_of_decided, report.pooled.p_value
    if decided.share is None or p is None or report.over_sentences is None:
        return "Nobody preferred either."
    sure = p < 0.05
    winner = report.systems["a" if decided.share > 0.5 else "b"]
    sentences = report.over_sentences
    return (
        f"**{f'{winner} is preferred' if sure else 'Undecided'}**: of {decided.of} decided answers"
        f" {_share(decided)} were for {report.systems['a']} (two-sided binomial test,"
        f" p {_p(p)}). With other sentences it might be {sentences.low:.0%} to"
        f" {sentences.high:.0%} (bootstrap)."
    )


def _share(share: Share) -> str:
    if share.share is None or share.low is None or share.high is None:
        return "–"
    return f"{share.share:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _alpha(alpha: float | None) -> str:
    return "– (no two raters judged the same pair)" if alpha is None else f"{alpha:.2f}"


def _cell(text: str) -> str:
    """Names come from raters: nothing in them may become a table, a link or HTML."""
    escaped = text.replace("\\", "\\\\").replace("<", "&lt;")
    for mark in "|[]*_`":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped
