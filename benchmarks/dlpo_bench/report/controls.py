"""The section on speed and pitch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.controls.measuring import LEVEL, RATIO, SHIFT, STRETCH
from dlpo_bench.judging import WORD_ERRORS
from dlpo_bench.quality_report import is_rate
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, table

MOST_ERRORS = 1.3  # times the neutral ones: a control that works
COLUMNS = {
    WORD_ERRORS: "word errors",
    RATIO: "/ neutral",
    SHIFT: "pitch change, st",
    STRETCH: "duration x speed",
    LEVEL: "level change, dB",
}


def controls(found: Sequence[Found]) -> Section:
    """The newest record."""
    return Section("Speed and pitch", controls_text(found[0].record.figures), found[:1])


def controls_text(figures: Mapping[str, Any]) -> str:
    """A table for each voice, and one for the recordings."""
    seeds = f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""
    parts = [
        f"{figures['clips']} test sentences{seeds}. Bold: more than {MOST_ERRORS:g} times the word"
        " errors at no setting. What the words mean: [bench-texts.md](bench-texts.md)."
    ]
    for family, settings in figures["systems"].items():
        rows = [
            [setting, *(_cell(measure, found.get(measure)) for measure in COLUMNS)]
            for setting, found in settings.items()
        ]
        parts.append(table([family, *COLUMNS.values()], rows))
    return "\n\n".join(parts)


def _cell(measure: str, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    percent = is_rate(measure) and measure != RATIO
    words = interval(found["value"], *found["interval_95"], percent=percent)
    return f"**{words}**" if measure == RATIO and found["value"] > MOST_ERRORS else words
