"""How voices sound: the judges' table, and scores beside their cost."""

from __future__ import annotations

from dlpo_bench.compare import UNDECIDED
from dlpo_bench.eval import in_percent, is_rate
from dlpo_bench.tables import Figures, table

LEFT_TO_RECORDS = {  # measures that the page doesn't show
    "level, dB", "mel spread, dB", "> 4 kHz, dB", "seconds", "P.835 SIG", "P.835 BAK",
    "word errors", "word errors, tiny.en", "word errors / recordings'", "character errors",
    "character errors, tiny.en",
}  # fmt: skip
PARTS = ("left out", "added", "repeated")  # of word errors, left to records too


def judged(figures: Figures) -> str:
    """A row for each measure, a column for each system; the record has the intervals."""
    measures = dict.fromkeys(measure for scores in figures.values() for measure in scores)
    rows = [
        [m, *(_mean(m, scores.get(m)) for scores in figures.values())]
        for m in measures
        if m not in LEFT_TO_RECORDS and not m.endswith(PARTS)
    ]
    return table(["measure", *figures], rows)


def _mean(measure: str, score: Figures | None) -> str:
    if score is None:
        return ""
    percent = in_percent(measure)
    words = f"{100 * score['value']:.2f} %" if percent else f"{score['value']:.2f}"
    decided = score.get("difference", {}).get("verdict", UNDECIDED) != UNDECIDED
    return f"**{words}**" if decided else words


def short(measure: str, value: float) -> str:
    """A score; rates in per cent."""
    return f"{100 * value:.1f} %" if is_rate(measure) else f"{value:.2f}"
