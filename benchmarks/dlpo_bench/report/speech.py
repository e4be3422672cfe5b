"""The section on how voices sound, and tables and pictures of judges that others share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.bootstrap import Estimate
from dlpo_bench.plots import COLOURS, Point, draw_panels
from dlpo_bench.quality_report import is_rate
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, table

Figures = Mapping[str, Mapping[str, Any]]
"""System -> measure -> value, interval and, beside a baseline, difference."""


def quality(found: Sequence[Found]) -> Section:
    """Judges' means, and differences from the baseline where there is one."""
    newest = found[0]
    figures = newest.record.figures
    clips = len(newest.record.samples["clips"])
    text = f"Means over {clips} clips with 95 % bootstrap intervals over the clips.\n\n"
    text += means(figures)
    pictures = {}
    if drawn := draw_differences(figures, clips):
        pictures["Differences from the baseline, by judge"] = drawn
    return Section("How voices sound", text, [newest], pictures)


def means(figures: Figures) -> str:
    """A row for each measure, a column for each system."""
    rows = []
    for measure in _measures(figures):
        row = [measure]
        for system in figures.values():
            if measure in system:
                value = system[measure]
                row.append(
                    interval(value["value"], *value["interval_95"], percent=is_rate(measure))
                )
            else:
                row.append("")
        rows.append(row)
    return table(["measure", *figures], rows)


def differences(figures: Figures) -> str:
    """A row for each system, a column for each measure; decided ones are bold."""
    apart = {
        system: {m: value["difference"] for m, value in found.items() if "difference" in value}
        for system, found in figures.items()
    }
    measures = _measures(apart)
    rows = [
        [system, *(_apart(m, found[m]) if m in found else "" for m in measures)]
        for system, found in apart.items()
        if found
    ]
    return table(["system", *measures], rows)


def draw_differences(figures: Figures, clips: int) -> str:
    """An SVG document; empty where no system is compared with another."""
    panels: dict[str, list[Point]] = {}
    baselines = set()
    for system, measures in figures.items():
        for measure, value in measures.items():
            if "difference" not in value:
                continue
            d = value["difference"]
            scale = 100 if is_rate(measure) else 1
            estimate = Estimate(*(scale * x for x in (d["value"], *d["interval_95"])))
            colour = COLOURS.get(d["verdict"], "plain")
            panels.setdefault(measure, []).append(Point(system, estimate, colour, d["verdict"]))
            baselines.add(d["from"])
    if not panels:
        return ""
    title = f"Differences from {' and '.join(sorted(baselines))}, {clips} clips, 95 % intervals"
    return draw_panels(title, panels, zero=True)


def _measures(figures: Figures) -> list[str]:
    return list(dict.fromkeys(measure for system in figures.values() for measure in system))


def _apart(measure: str, d: Mapping[str, Any]) -> str:
    words = interval(d["value"], *d["interval_95"], percent=is_rate(measure), signed=True)
    return words if d["verdict"] == "undecided" else f"**{words}**"
