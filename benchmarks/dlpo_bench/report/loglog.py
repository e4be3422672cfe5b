"""Roofs and dots over two logarithmic axes, as SVG without a library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from dlpo_bench.svg import ACROSS, document, rows, tiles

WIDTH, HEIGHT = 430, 340  # pixels of a scene
LEFT, TOP, RIGHT, BOTTOM = 52, 40, 22, 46  # margins inside it
LINE = 13  # from one name or number to the next


@dataclass(frozen=True, slots=True)
class Roof:
    """min(peak, slope * x)."""

    peak: float
    slope: float
    words: str
    """what the slope is of"""


@dataclass(frozen=True, slots=True)
class Spot:
    """One dot."""

    x: float
    y: float
    words: str
    """listed at the right, by the number below the dot; may be empty"""


@dataclass(frozen=True, slots=True)
class LogScene:
    """What is drawn over one pair of axes; all values are above 0."""

    title: str
    x_label: str
    y_label: str
    roofs: Sequence[Roof]
    spots: Sequence[Spot]


def draw_log_scenes(title: str, scenes: Sequence[LogScene]) -> str:
    """An SVG document with all scenes."""
    width, height = min(ACROSS, len(scenes)) * WIDTH, rows(len(scenes)) * HEIGHT
    return document(title, width, height, tiles([_scene(s) for s in scenes], WIDTH, HEIGHT))


def decades(low: float, high: float) -> list[int]:
    """Powers of ten from at most `low` to at least `high`, two or more of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return list(range(first, max(last, first + 1) + 1))


def _scene(scene: LogScene) -> Iterator[str]:
    ridges = [roof.peak / roof.slope for roof in scene.roofs]
    xs = [spot.x for spot in scene.spots] + ridges
    ys = [spot.y for spot in scene.spots] + [roof.peak for roof in scene.roofs]
    x_powers, y_powers = decades(min(xs), max(xs)), decades(min(ys), max(ys))

    def across(x: float) -> float:
        share = (math.log10(x) - x_powers[0]) / (x_powers[-1] - x_powers[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        share = (math.log10(y) - y_powers[0]) / (y_powers[-1] - y_powers[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    floor = HEIGHT - BOTTOM
    yield f'<text class="measure" x="{LEFT}" y="{TOP - 20}">{escape(scene.title)}</text>'
    for power in y_powers:
        y = down(10.0**power)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="soft end" x="{LEFT - 6}" y="{y + 4:.1f}">{10.0**power:g}</text>'
    for power in x_powers:
        x = across(10.0**power)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>'
        yield f'<text class="soft middle" x="{x:.1f}" y="{floor + 16}">{10.0**power:g}</text>'
    words = f"{scene.x_label}; upwards: {scene.y_label}"
    yield f'<text class="soft" x="{LEFT}" y="{floor + 34}">{escape(words)}</text>'
    lowest, left, right = 10.0 ** y_powers[0], 10.0 ** x_powers[0], 10.0 ** x_powers[-1]
    for roof in scene.roofs:
        start = max(left, lowest / roof.slope)  # where the roof enters the picture
        corner = roof.peak / roof.slope
        line = [(start, start * roof.slope), (corner, roof.peak), (right, roof.peak)]
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line)
        yield f'<polyline class="zero" style="fill:none" points="{points}"/>'
        x, y = across(start), down(start * roof.slope)
        yield f'<text class="soft" x="{x + 6:.1f}" y="{y - 4:.1f}">{escape(roof.words)}</text>'
    named = [spot for spot in scene.spots if spot.words]
    for spot in scene.spots:
        x, y = across(spot.x), down(spot.y)
        yield f'<circle class="good" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    taken: list[tuple[float, float]] = []  # where a number stands already
    for number, spot in enumerate(named, 1):
        x, y = across(spot.x), down(spot.y) + 17
        while any(abs(y - other) < LINE and abs(x - near) < LINE for near, other in taken):
            y += LINE
        taken.append((x, y))
        yield f'<text class="middle" x="{x:.1f}" y="{y:.1f}">{number}</text>'
        # Below the roof at the right there is room: what is quick lies near the roof.
        y = floor - 8 - LINE * (len(named) - number)
        words = f"{number}: {spot.words}"
        yield f'<text class="end" x="{WIDTH - RIGHT - 6}" y="{y}">{escape(words)}</text>'
