"""Plots of the benchmarks, drawn by matplotlib as SVG; equal data give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# distinguishable by color-blind readers
BLUE = "#0969da"
ORANGE = "#bc4c00"
GRAY = "#57606a"
COLORS = (BLUE, ORANGE, GRAY, "#1a7f37", "#8250df", "#bf3989", "#cf222e", "#9a6700")
PANEL_INCHES = (5.0, 3.2)
STYLE: Any = {
    "svg.hashsalt": "dlpo", "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 9,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.grid": True,
    "grid.color": "#d0d7de", "grid.linewidth": 0.5, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "legend.fontsize": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """One data series in a panel."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    """label in the legend; none if empty"""
    color: str = BLUE
    style: str = "o"
    """marker and line in matplotlib's short notation"""
    ends: Sequence[tuple[float, float]] | None = None
    """lower and upper end of each y's interval"""
    band: bool = False
    """draw the intervals as a band rather than as bars"""
    face: str = ""
    """fill of the markers: "" to match the line, "white" or "none" """
    size: float = 4
    """of the markers, in points"""
    notes: Sequence[str] = ()
    """text next to each point"""


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """One pair of axes."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log: str = ""
    """logarithmic axes: "", "x" or "xy" """
    level: float | None = None
    """y of a dashed horizontal line"""


def draw_panels(title: str, panels: Sequence[PlotPanel]) -> str:
    """An SVG document with two panels per row."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure((columns * PANEL_INCHES[0], rows * PANEL_INCHES[1]), layout="constrained")
        for index, panel in enumerate(panels):
            _draw_panel(figure.add_subplot(rows, columns, index + 1), panel)
        return as_svg(figure, title)


def _draw_panel(axes: Axes, panel: PlotPanel) -> None:
    if "x" in panel.log:
        axes.set_xscale("log")
    if "y" in panel.log:
        axes.set_yscale("log")
    for series in panel.series:
        axes.plot(
            series.x, series.y, series.style, color=series.color, label=series.label or None,
            markersize=series.size, markerfacecolor=series.face or series.color, linewidth=1.4,
        )  # fmt: skip
        if series.ends is not None:
            low, high = zip(*series.ends, strict=True)
            if series.band:
                axes.fill_between(series.x, low, high, color=series.color, alpha=0.12, linewidth=0)
            else:
                axes.vlines(series.x, low, high, color=series.color, alpha=0.5)
        for x, y, note in zip(series.x, series.y, series.notes, strict=False):
            axes.annotate(note, (x, y), (0, 6), textcoords="offset points", ha="center")
    if panel.level is not None:
        axes.axhline(panel.level, color="black", linewidth=0.8, linestyle="--")
    if any(series.label for series in panel.series):
        axes.legend()
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)


def as_svg(figure: Figure, title: str) -> str:
    """The figure as an SVG document with a title."""
    file = io.StringIO()
    figure.suptitle(title)
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return "\n".join(lines) + "\n"
