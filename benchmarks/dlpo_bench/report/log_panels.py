"""Figures of very different size in panels over a logarithmic axis, as SVG without a library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlpo_bench.plots import GAP, LEFT, LETTERS, MARGIN, RIGHT, ROW, WIDTH
from dlpo_bench.svg import document, text


@dataclass(frozen=True, slots=True)
class Range:
    """One figure with its ends, all above 0."""

    label: str
    value: float
    low: float
    high: float
    words: str = ""
    """right after the figure"""
    hollow: bool = False
    """not measured in full"""


def draw_log_panels(title: str, panels: Mapping[str, Sequence[Range]]) -> str:
    """An SVG document; all panels have the same axis, from one power of ten to another.

    Raises:
        ValueError: there is nothing to draw, or a figure is not above 0.
    """
    ends = [x for ranges in panels.values() for one in ranges for x in (one.low, one.high)]
    first, last = math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends)))
    last = max(last, first + 1)
    parts, y = [text(MARGIN, MARGIN + 12, title, "title")], MARGIN + 20
    for name, ranges in panels.items():
        y += GAP
        parts += _panel(name, ranges, y, first, last)
        y += ROW * (len(ranges) + 1)
    height = y + MARGIN
    return document(title, WIDTH, height, parts)


def _panel(name: str, ranges: Sequence[Range], top: float, first: int, last: int) -> Iterator[str]:
    yield text(MARGIN, top, name, "measure")
    bottom = top + ROW * len(ranges) + 6

    def place(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (RIGHT - LEFT)

    for power in range(first, last + 1):
        x = place(10.0**power)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 6}" y2="{bottom}"/>'
        yield text(x, bottom + 13, f"{10.0**power:g}", "soft middle")
    for row, one in enumerate(ranges, 1):
        y = top + ROW * row - 2
        label = one.label if len(one.label) <= LETTERS else f"…{one.label[1 - LETTERS :]}"
        fill = ' style="fill:var(--back)"' if one.hollow else ""
        yield text(LEFT - 10, y + 4, label, "end")
        yield (
            f'<line class="plain" stroke-width="2" x1="{place(one.low):.1f}"'
            f' x2="{place(one.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="good" stroke-width="2" cx="{place(one.value):.1f}" cy="{y}"'
            f' r="4"{fill}/>'
        )
        yield text(RIGHT + 16, y + 4, f"{one.value:.3g}{one.words}")
