"""Quality against cost, drawn by matplotlib as SVG; equal data give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlpo_bench.compare import MEASURES
from dlpo_bench.eval import measure_title, scale_of
from dlpo_bench.tables import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "ring: no other point is as good for less; numbers: reverse steps; dashed: the recordings"
COLORS = ("#0969da", "#bc4c00", "#57606a")  # of a series each; color-blind readers tell them apart
PANEL_INCHES = (5.0, 3.2)
STYLE: Any = {
    "svg.hashsalt": "dlpo", "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 9,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.grid": True,
    "grid.color": "#d0d7de", "grid.linewidth": 0.5, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "legend.fontsize": 7, "lines.linewidth": 1.4, "lines.markersize": 4,
}  # fmt: skip


def draw_pareto(figures: Figures) -> str:
    """An SVG document with a panel for each judge, over real-time factors."""
    import matplotlib
    from matplotlib.figure import Figure

    points = sorted(figures["points"].values(), key=lambda point: point["steps"])
    shown = [one for one in MEASURES if any(one in point["heights"] for point in points)]
    columns, rows = min(2, len(shown)), (len(shown) + 1) // 2
    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure((columns * PANEL_INCHES[0], rows * PANEL_INCHES[1]), layout="constrained")
        for index, measure in enumerate(shown, 1):
            axes = figure.add_subplot(rows, columns, index)
            _draw_panel(axes, measure, points, figures["recordings"].get(measure))
        figure.suptitle(TITLE)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Title": TITLE})
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return "\n".join(lines) + "\n"


def _draw_panel(
    axes: Axes, measure: str, points: Sequence[Figures], recordings: float | None
) -> None:
    scale = scale_of(measure)
    axes.set_xscale("log")
    for name, color in zip(dict.fromkeys(p["series"] for p in points), COLORS, strict=False):
        of_series = [p for p in points if p["series"] == name and measure in p["heights"]]
        if of_series:
            _draw_series(axes, measure, of_series, name, color)
    if recordings is not None:
        axes.axhline(scale * recordings, color="black", linewidth=0.8, linestyle="--")
    axes.legend()
    axes.set_title(measure_title(measure))
    axes.set_xlabel("real-time factor on one core")


def _draw_series(
    axes: Axes, measure: str, points: Sequence[Figures], name: str, color: str
) -> None:
    scale = scale_of(measure)
    heights = [point["heights"][measure] for point in points]
    x, y = [point["rtf"] for point in points], [scale * one["value"] for one in heights]
    ends = [one.get("interval_95", (one["value"],) * 2) for one in heights]
    low, high = zip(*((scale * a, scale * b) for a, b in ends), strict=True)
    axes.plot(x, y, "-o", color=color, label=name)
    axes.vlines(x, low, high, color=color, alpha=0.5)
    for point, at_x, at_y in zip(points, x, y, strict=True):
        if measure in point["optimal"]:
            axes.plot(at_x, at_y, "o", color=color, markersize=9, markerfacecolor="none")
            above: Any = {"textcoords": "offset points", "ha": "center"}
            axes.annotate(str(point["steps"]), (at_x, at_y), (0, 6), **above)
