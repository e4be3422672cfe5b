"""Lines and dots over two axes, as SVG without a library: distributions, levels of load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from dlpo_bench.plots import nice_ticks
from dlpo_bench.report.tables import number
from dlpo_bench.svg import ACROSS, document, rows, tiles

WIDTH, HEIGHT = 430, 260  # pixels of a scene
LEFT, TOP, RIGHT, BOTTOM = 52, 40, 22, 46  # margins inside it
NOTES = 60  # above the floor: there a distribution leaves room at the right of its percentiles
POINTS = 101  # of a distribution's line: enough for the eye
PERCENTILES = {50: 2, 95: 20, 99: 100}
"""Percentile that is marked -> samples from which on it lies between two of them."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One measurement."""

    x: float
    y: float
    colour: str
    """class of `svg.STYLE`"""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn over one pair of axes."""

    title: str
    x_label: str
    y_label: str
    line: Sequence[tuple[float, float]] = ()
    dots: Sequence[Dot] = ()
    notes: Sequence[tuple[float, str]] = ()
    """Where on the x axis a vertical line stands, and its words."""


def distribution(title: str, unit: str, samples: Sequence[float]) -> Scene:
    """Share of the samples that are at most x, with the percentiles that so many samples allow."""
    shares = np.linspace(0, 100, POINTS)
    values = np.percentile(samples, shares)
    marked = {
        p: float(np.percentile(samples, p)) for p, n in PERCENTILES.items() if len(samples) >= n
    }
    notes = [(value, f"p{p}: {number(value)}") for p, value in marked.items()]
    line = list(zip(values.tolist(), shares.tolist(), strict=True))
    return Scene(f"{title}, {len(samples)} calls", unit, "share of calls, %", line, notes=notes)


def draw_scenes(title: str, scenes: Sequence[Scene]) -> str:
    """An SVG document with all scenes."""
    width, height = min(ACROSS, len(scenes)) * WIDTH, rows(len(scenes)) * HEIGHT
    return document(title, width, height, tiles([_scene(s) for s in scenes], WIDTH, HEIGHT))


def _scene(scene: Scene) -> Iterator[str]:
    places = [*scene.line, *((dot.x, dot.y) for dot in scene.dots)]
    x_ticks = nice_ticks(min(x for x, _ in places), max(x for x, _ in places))
    y_ticks = nice_ticks(min(0.0, *(y for _, y in places)), max(y for _, y in places))

    def across(x: float) -> float:
        share = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        share = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    floor = HEIGHT - BOTTOM
    yield f'<text class="measure" x="{LEFT}" y="{TOP - 20}">{escape(scene.title)}</text>'
    for tick in y_ticks:
        y = down(tick)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="soft end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
    for tick in x_ticks:
        x = across(tick)
        yield f'<text class="soft middle" x="{x:.1f}" y="{floor + 16}">{tick:g}</text>'
    words = f"{scene.x_label}; upwards: {scene.y_label}"
    yield f'<text class="soft" x="{LEFT}" y="{floor + 34}">{escape(words)}</text>'
    for i, (at, note) in enumerate(scene.notes):  # below the curve, each on a line of its own
        x, y = across(at), floor - NOTES - 16 * i
        yield f'<line class="bad" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>'
        yield f'<text x="{x + 5:.1f}" y="{y}">{escape(note)}</text>'
    if scene.line:
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in scene.line)
        yield f'<polyline class="good" style="fill:none" stroke-width="2" points="{points}"/>'
    for dot in scene.dots:
        x, y = across(dot.x), down(dot.y)
        yield f'<circle class="{dot.colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
