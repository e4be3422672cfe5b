"""How voices sound: the judges' table, and the plot of quality against cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlpo_bench.compare import MEASURES, UNDECIDED
from dlpo_bench.eval import in_percent, is_rate, measure_title, scale_of
from dlpo_bench.plots import COLORS, PlotPanel, Series, draw_panels
from dlpo_bench.tables import Figures, table

TITLE = "ring: no other point is as good for less; numbers: reverse steps; dashed: the recordings"
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


def draw_pareto(figures: Figures) -> str:
    """An SVG document with a panel for each judge, over real-time factors."""
    points = sorted(figures["points"].values(), key=lambda point: point["steps"])
    names = dict.fromkeys(point["series"] for point in points)
    panels = []
    for measure in MEASURES:
        scale, series = scale_of(measure), []
        for name, color in zip(names, COLORS, strict=False):
            of_series = [p for p in points if p["series"] == name and measure in p["heights"]]
            if of_series:
                series += _pareto_series(of_series, measure, name, color)
        if series:
            level = figures["recordings"].get(measure)
            scaled = None if level is None else scale * level
            title, label = measure_title(measure), "real-time factor on one core"
            panels.append(PlotPanel(title, label, "", series, "x", scaled))
    return draw_panels(TITLE, panels)


def _pareto_series(points: Sequence[Figures], measure: str, name: str, color: str) -> list[Series]:
    scale = scale_of(measure)

    def series(chosen: Sequence[Figures], **style: Any) -> Series:
        x = [point["rtf"] for point in chosen]
        y = [scale * point["heights"][measure]["value"] for point in chosen]
        return Series(x, y, color=color, **style)

    heights = [point["heights"][measure] for point in points]
    ends = [
        tuple(scale * end for end in one.get("interval_95", (one["value"],) * 2)) for one in heights
    ]
    drawn = [series(points, label=name, style="-"), series(points, ends=ends)]
    if optimal := [point for point in points if measure in point["optimal"]]:
        notes = [str(point["steps"]) for point in optimal]
        drawn.append(series(optimal, size=9, face="none", notes=notes))
    return drawn


def height(measure: str, point: Figures) -> str:
    """A point's score: bold if it is decidedly other, starred if no other is as good for less."""
    found = point["heights"].get(measure)
    if found is None:
        return ""
    words = short(measure, found["value"])
    if found.get("verdict", UNDECIDED) != UNDECIDED:
        words = f"**{words}**"
    return words + (r" \*" if measure in point["optimal"] else "")


def short(measure: str, value: float) -> str:
    """A score; rates in per cent."""
    return f"{100 * value:.1f} %" if is_rate(measure) else f"{value:.2f}"
