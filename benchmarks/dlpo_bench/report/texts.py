"""The section on texts beyond the corpus' style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.judging import WORD_ERRORS
from dlpo_bench.quality_report import is_rate
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, number, table
from dlpo_bench.systems import RECORDINGS
from dlpo_bench.texts.accidents import JUMP, LAST, LOUD, PACE, QUIET, SILENT
from dlpo_bench.texts.measuring import ADDED, ALL, LEFT_OUT, LOUDNESS_SPREAD, QUESTION_END
from dlpo_bench.texts.measuring import STATEMENT_END as FALL

HEARD = (
    WORD_ERRORS, LEFT_OUT, ADDED, "DistillMOS", "NISQA", "NISQA-TTS", "DNSMOS P.808",
)  # fmt: skip
SIGNAL = (
    FALL, QUESTION_END, LOUDNESS_SPREAD, QUIET, JUMP, LAST, SILENT, LOUD, PACE, "F0 spread, st",
)  # fmt: skip


def texts(found: Sequence[Found]) -> Section:
    """The newest record."""
    return Section("Texts of other kinds", texts_text(found[0].record.figures), found[:1])


def texts_text(figures: Mapping[str, Any]) -> str:
    """For each voice what was heard by category, what was measured, and what is broken."""
    seeds = f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""
    parts = [
        f"{figures['texts']} texts{seeds}. What the words mean: [bench-texts.md](bench-texts.md)."
    ]
    parts += [f"{name} left out: {reason}" for name, reason in figures["left_out"].items()]
    for label, categories in figures["systems"].items():
        if any(measure in categories[ALL] for measure in HEARD):
            parts.append(_by_category(label, categories))
        parts.append(_signal(label, categories, figures[RECORDINGS]))
        parts.append(_broken(label, figures["accidents"][label]))
    return "\n\n".join(parts)


def _by_category(label: str, categories: Mapping[str, Any]) -> str:
    measures = [m for m in HEARD if m in categories[ALL]]
    rows = [
        [category, number(found["texts"]), *(_short(m, found.get(m)) for m in measures)]
        for category, found in categories.items()
    ]
    return table([label, "texts", *measures], rows)


def _signal(label: str, categories: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    """All texts together, beside the recordings where these have the measure."""
    rows = []
    for measure in (m for m in SIGNAL if m in categories[ALL]):
        found, known = categories[ALL][measure], recorded.get(measure)
        beside = ""
        if known is not None:
            ends = f"{known['least']:.2f} to {known['most']:.2f}"
            beside = f"{known['value']:.2f}, {ends}"
        mean = interval(found["value"], *found["interval_95"], percent=False)
        rows.append([measure, mean, beside])
    return table(["", f"{label}, mean [95 %]", f"{RECORDINGS}, mean, extremes"], rows)


def _broken(label: str, accidents: Mapping[str, Sequence[str]]) -> str:
    if not accidents:
        return f"Accidents of {label}: none."
    listed = "; ".join(f"{name}: {', '.join(what)}" for name, what in accidents.items())
    return f"Accidents of {label}: {listed}."


def _short(measure: str, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    return f"{100 * found['value']:.1f} %" if is_rate(measure) else f"{found['value']:.2f}"
