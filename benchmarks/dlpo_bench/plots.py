"""Pictures of a comparison, as SVG without a library: means, and differences from the baseline.

What colours say stands beside them in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlpo_bench.bootstrap import Estimate
from dlpo_bench.heard import Quality
from dlpo_bench.quality_report import is_rate, verdict
from dlpo_bench.svg import document, text

WIDTH = 860  # pixels, as all below
MARGIN, ROW, GAP = 20, 20, 26
LEFT, RIGHT = 230, 620  # ends of the axes
LETTERS = 30  # of a system's name that fit before the axis
TICKS = 5  # about so many an axis
COLOURS = {"better": "good", "worse": "bad"}


@dataclass(frozen=True, slots=True)
class Point:
    """One system in a panel."""

    label: str
    estimate: Estimate
    colour: str
    """class of `svg.STYLE`"""
    words: str
    """beside the figures"""


def draw_means(quality: Quality) -> str:
    """An SVG document: for each measure the mean of every system with its interval."""
    estimates = {system: quality.estimates(system) for system in quality.heard}
    panels = {
        measure: [
            Point(system, _in_units(measure, found[measure]), "plain", "")
            for system, found in estimates.items()
            if measure in found
        ]
        for measure in dict.fromkeys(m for found in estimates.values() for m in found)
    }
    return draw_panels(f"Means of {len(quality.clips)} clips, 95 % intervals", panels, zero=False)


def draw_differences(quality: Quality) -> str:
    """An SVG document: for each measure how far every system is from the baseline."""
    differences = {system: quality.differences(system) for system in quality.heard}
    panels: dict[str, list[Point]] = {}
    for system, found in differences.items():
        for measure, paired in found.items():
            words = verdict(measure, paired)
            panels.setdefault(measure, []).append(
                Point(
                    system,
                    _in_units(measure, paired.difference),
                    COLOURS.get(words, "plain"),
                    words,
                )
            )
    title = f"Differences from {quality.baseline}, {len(quality.clips)} clips, 95 % intervals"
    return draw_panels(title, panels, zero=True)


def _in_units(measure: str, e: Estimate) -> Estimate:
    """Rates in per cent."""
    return Estimate(100 * e.value, 100 * e.low, 100 * e.high) if is_rate(measure) else e


def draw_panels(title: str, panels: dict[str, list[Point]], *, zero: bool) -> str:
    """An SVG document: a panel for each measure, with a line at zero where that means something."""
    parts, y = [text(MARGIN, MARGIN + 12, title, "title")], MARGIN + 20
    for measure, points in panels.items():
        y += GAP
        parts += _panel(measure, points, y, zero)
        y += ROW * (len(points) + 1)
    height = y + MARGIN
    return document(title, WIDTH, height, parts)


def _panel(measure: str, points: Sequence[Point], top: float, zero: bool) -> Iterator[str]:
    unit = ", %" if is_rate(measure) else ""
    yield text(MARGIN, top, f"{measure}{unit}", "measure")
    ends = [x for point in points for x in (point.estimate.low, point.estimate.high)]
    ticks = nice_ticks(min([*ends, 0.0] if zero else ends), max([*ends, 0.0] if zero else ends))
    bottom = top + ROW * len(points) + 6

    def place(value: float) -> float:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return LEFT + share * (RIGHT - LEFT)

    digits = _digits(ticks)
    for tick in ticks:
        x = place(tick)
        style = "zero" if zero and tick == 0 else "axis"
        yield f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 6}" y2="{bottom}"/>'
        yield text(x, bottom + 13, f"{tick:.{digits}f}", "soft middle")
    for row, point in enumerate(points, 1):
        y, e = top + ROW * row - 2, point.estimate
        label = point.label if len(point.label) <= LETTERS else f"…{point.label[1 - LETTERS :]}"
        yield text(LEFT - 10, y + 4, label, "end")
        yield (
            f'<line class="{point.colour}" stroke-width="2" x1="{place(e.low):.1f}"'
            f' x2="{place(e.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{point.colour}" cx="{place(e.value):.1f}" cy="{y}" r="4"/>'
        )
        sign = "+" if zero else ""
        figures = f"{e.value:{sign}.2f} [{e.low:{sign}.2f}, {e.high:{sign}.2f}]"
        yield text(RIGHT + 16, y + 4, f"{figures} {point.words}".rstrip())


def nice_ticks(low: float, high: float) -> list[float]:
    """About five round numbers, evenly spaced, from at most `low` to at least `high`."""
    if high <= low:  # one value: something to see it in
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    rough = (high - low) / TICKS
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _digits(ticks: Sequence[float]) -> int:
    """Decimals that tell the ticks apart."""
    return max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
