"""Curves over updates as SVG: a panel for each figure, a line and a band for each method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from dlpo_bench.plots import nice_ticks

WIDTH, HEIGHT = 420, 230  # pixels of a panel
LEFT, TOP, RIGHT, BOTTOM = 50, 34, 90, 30  # margins inside it
ACROSS = 2  # panels in a row
COLOURS = (
    "#57606a", "#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#cf222e", "#9a6700",
)  # fmt: skip
STYLE = """
:root{--back:#fff;--ink:#1f2328;--line:#d0d7de}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--ink:#e6edf3;--line:#3d444d}}
text{font:11px 'DejaVu Sans',Verdana,Helvetica,Arial,sans-serif;fill:var(--ink)}
.title{font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}.axis{stroke:var(--line)}
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """One method's figure over the updates, over its seeds."""

    label: str
    updates: Sequence[int]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def draw_curves(panels: Mapping[str, Sequence[Curve]]) -> str:
    """An SVG document; each line has its method's name at its end."""
    rows = -(-len(panels) // ACROSS)
    width, height = ACROSS * WIDTH, rows * HEIGHT
    parts = []
    for i, (name, curves) in enumerate(panels.items()):
        x, y = i % ACROSS * WIDTH, i // ACROSS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">')
        parts += _panel(name, curves)
        parts.append("</g>")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="Tuning, by method">'
        f"<style>{STYLE}</style>"
        f'<rect width="{width}" height="{height}" style="fill:var(--back)"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(name: str, curves: Sequence[Curve]) -> Iterator[str]:
    values = [v for curve in curves for v in (*curve.low, *curve.high)]
    ticks = nice_ticks(min(values), max(values))
    last = max(max(curve.updates) for curve in curves)

    def across(update: int) -> float:
        return LEFT + update / max(1, last) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    yield f'<text class="title" x="{LEFT}" y="{TOP - 14}">{escape(name)}</text>'
    for tick in ticks:
        y = down(tick)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
    for update in sorted({update for curve in curves for update in curve.updates}):
        x = across(update)
        yield f'<text class="middle" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}">{update}</text>'
    at = _apart([down(curve.mean[-1]) for curve in curves])
    for curve, colour, y in zip(curves, _colours(len(curves)), at, strict=True):
        there = [(across(u), down(v)) for u, v in zip(curve.updates, curve.low, strict=True)]
        back = [(across(u), down(v)) for u, v in zip(curve.updates, curve.high, strict=True)]
        yield f'<polygon fill="{colour}" opacity="0.12" points="{_points(there + back[::-1])}"/>'
        line = [(across(u), down(v)) for u, v in zip(curve.updates, curve.mean, strict=True)]
        yield (
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{_points(line)}"/>'
        )
        yield (
            f'<text x="{WIDTH - RIGHT + 6}" y="{y + 4:.1f}" style="fill:{colour}">'
            f"{escape(curve.label)}</text>"
        )


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _apart(places: Sequence[float], least: float = 12.0) -> list[float]:
    """The same places, moved down where names would cover each other."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for before, i in pairwise(order):
        moved[i] = max(moved[i], moved[before] + least)
    return moved
