"""What is had for what it costs, as SVG: a panel for each judge, a line for each series.

Costs are on a logarithmic axis. What colours say stands above the panels in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from dlpo_bench.plots import nice_ticks
from dlpo_bench.svg import ACROSS, document, rows, tiles

WIDTH, HEIGHT = 430, 260  # pixels of a panel
HEAD = 50  # above all panels, for the words
LEFT, TOP, RIGHT, BOTTOM = 52, 34, 22, 46  # margins inside a panel
ROOM = 1.15  # factor that a logarithmic axis goes on beyond its outermost points
ROUND = (1, 2, 5)  # that ticks of a logarithmic axis begin with
TICKS = 8  # at most, with all of `ROUND`; else powers of ten alone
LETTER = 7  # pixels, about
COLOURS = ("plain", "good", "bad")
"""Classes of `svg.STYLE`, one for each series; here they are mere colours."""
RING = ".ring{fill:none;stroke:var(--ink)}.level{stroke:var(--ink);stroke-dasharray:5 4}"


@dataclass(frozen=True, slots=True)
class Spot:
    """One measurement."""

    x: float
    """above 0"""
    y: float
    ends: tuple[float, float] | None
    """of the interval of y"""
    words: str
    """beside it where it is ringed or the last of its series"""
    ringed: bool
    hollow: bool


@dataclass(frozen=True, slots=True)
class Front:
    """One pair of axes."""

    title: str
    series: Mapping[str, Sequence[Spot]]
    """name -> spots, joined in this order"""
    level: float | None
    """height of a dashed line across"""


def draw_fronts(title: str, x_label: str, fronts: Sequence[Front], words: str) -> str:
    """An SVG document.

    Args:
        x_label: of all panels.
        words: what rings, hollow spots and the dashed line mean.
    """
    width, height = ACROSS * WIDTH, HEAD + rows(len(fronts)) * HEIGHT
    legend = _legend(list(dict.fromkeys(name for f in fronts for name in f.series)), words)
    panels = tiles([_front(front, x_label) for front in fronts], WIDTH, HEIGHT, HEAD)
    return document(title, width, height, [*legend, *panels], RING)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two that are above 0; at least one."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in ROUND]
    within = [tick for tick in fine if low <= tick <= high]
    if len(within) > TICKS:
        within = [10.0**power for power in powers if low <= 10.0**power <= high]
    return within or [low]


def _legend(series: Sequence[str], words: str) -> Iterator[str]:
    x = float(LEFT)
    for name, colour in zip(series, COLOURS, strict=False):
        yield f'<circle class="{colour}" cx="{x:.0f}" cy="18" r="4"/>'
        yield f'<text x="{x + 9:.0f}" y="22">{escape(name)}</text>'
        x += 30 + LETTER * len(name)
    yield f'<text class="soft" x="{LEFT}" y="42">{escape(words)}</text>'


def _front(front: Front, x_label: str) -> Iterator[str]:
    spots = [spot for series in front.series.values() for spot in series]
    low, high = min(s.x for s in spots) / ROOM, max(s.x for s in spots) * ROOM
    values = [y for s in spots for y in (s.y, *(s.ends or ()))]
    values += [] if front.level is None else [front.level]
    y_ticks = nice_ticks(min(values), max(values))
    floor = HEIGHT - BOTTOM

    def across(x: float) -> float:
        return LEFT + math.log(x / low) / math.log(high / low) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        share = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return floor - share * (floor - TOP)

    yield f'<text class="measure" x="{LEFT}" y="{TOP - 14}">{escape(front.title)}</text>'
    for tick in y_ticks:
        y = down(tick)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="soft end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
    for tick in log_ticks(low, high):
        x = across(tick)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{floor + 4}"/>'
        yield f'<text class="soft middle" x="{x:.1f}" y="{floor + 17}">{tick:g}</text>'
    yield f'<text class="soft" x="{LEFT}" y="{floor + 35}">{escape(x_label)}</text>'
    if front.level is not None:
        y = down(front.level)
        yield f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    for series, colour in zip(front.series.values(), COLOURS, strict=False):
        points = " ".join(f"{across(s.x):.1f},{down(s.y):.1f}" for s in series)
        yield f'<polyline class="{colour}" style="fill:none" points="{points}"/>'
        for spot in series:
            x, y = across(spot.x), down(spot.y)
            if spot.ends is not None:
                top, bottom = down(spot.ends[1]), down(spot.ends[0])
                yield (
                    f'<line class="{colour}" opacity="0.5" x1="{x:.1f}" x2="{x:.1f}"'
                    f' y1="{top:.1f}" y2="{bottom:.1f}"/>'
                )
            fill = ' style="fill:var(--back)"' if spot.hollow else ""
            yield f'<circle class="{colour}"{fill} cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
            if spot.ringed:
                yield f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
            if spot.ringed or spot is series[-1]:
                words = escape(spot.words)
                yield f'<text class="middle" x="{x:.1f}" y="{y - 10:.1f}">{words}</text>'
