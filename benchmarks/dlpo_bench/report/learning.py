"""The section on the learning curve: judges against updates and hours, with its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from dlpo_bench.heard import ERROR_RATIO
from dlpo_bench.measures import MEASURES
from dlpo_bench.plots import nice_ticks
from dlpo_bench.quality_report import is_rate
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, number, table
from dlpo_bench.svg import document, rows, text, tiles
from dlpo_bench.systems import RECORDINGS

PICTURE = "Learning curve"
AXES = {"updates": "updates, thousands", "hours": "hours of learning"}  # left, right
THOUSAND = 1_000  # updates of a unit of the left axis
WIDTH, HEIGHT = 430, 220  # pixels of a panel
HEAD = 62  # above all panels
LEFT, TOP, RIGHT, BOTTOM = 52, 30, 22, 44  # margins inside a panel
STYLE = ".level{stroke:var(--ink);stroke-dasharray:5 4}.way{fill:none}"


def learning(found: Sequence[Found]) -> Section:
    """The newest learning curve."""
    record = found[0].record
    figures = record.figures
    return Section(
        "Learning curve", learning_text(figures), found[:1], {PICTURE: draw_learning(figures)}
    )


def learning_text(figures: Mapping[str, Any]) -> str:
    """A row for each point, in the order of the list."""
    points = figures["points"]
    measures = _shown(figures)
    lines = [
        [
            point["label"],
            point["after"] or "scratch",
            number(point["updates"]),
            f"{point['hours']:.1f}",
            *(_cell(measure, point["measures"].get(measure)) for measure in measures),
        ]
        for point in points
    ]
    recorded = [_cell(measure, figures[RECORDINGS].get(measure)) for measure in measures]
    lines.append([RECORDINGS, "", "", "", *recorded])
    seeds = f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""
    chain = f"{figures['steps']} steps, {figures['schedule']}, eta {figures['eta']:g}"
    return (
        f"{figures['clips']} validation sentences{seeds}; {chain}, in float32. Updates and hours"
        " are added up from the logs, by the clock of a machine that did other work too; an update"
        " of tuning is not one of training. **Bold**: decidedly other than the point that it comes"
        " after.\n\n" + table(["point", "after", "updates", "hours", *measures], lines)
    )


def draw_learning(figures: Mapping[str, Any]) -> str:
    """An SVG document: for each judge a panel over updates and one over hours."""
    measures = _shown(figures)
    panels = [_panel(figures, measure, axis) for measure in measures for axis in AXES]
    title = f"{PICTURE}: {figures['clips']} validation sentences, 95 % intervals over them"
    head = [
        text(LEFT, 20, title, "title"),
        f'<circle class="good" cx="{LEFT}" cy="40" r="4"/>',
        text(LEFT + 9, 44, "trained"),
        f'<circle class="bad" cx="{LEFT + 80}" cy="40" r="4"/>',
        text(LEFT + 89, 44, "tuned, from the point that it is joined to"),
        f'<line class="level" x1="{LEFT + 370}" x2="{LEFT + 400}" y1="40" y2="40"/>',
        text(LEFT + 407, 44, "the speaker's recordings"),
    ]
    height = HEAD + rows(len(panels)) * HEIGHT
    drawn = [*head, *tiles(panels, WIDTH, HEIGHT, HEAD)]
    return document(PICTURE, len(AXES) * WIDTH, height, drawn, STYLE)


def _panel(figures: Mapping[str, Any], measure: str, axis: str) -> Iterator[str]:
    points = {p["label"]: p for p in figures["points"] if measure in p["measures"]}
    scale = 100 if is_rate(measure) else 1
    level = figures[RECORDINGS].get(measure)
    ends = [scale * y for p in points.values() for y in p["measures"][measure]["interval_95"]]
    ends += [] if level is None else [scale * level["value"]]
    y_ticks = nice_ticks(min(ends), max(ends))
    places = {
        label: p[axis] / (THOUSAND if axis == "updates" else 1) for label, p in points.items()
    }
    x_ticks = nice_ticks(0.0, max(places.values()))
    floor = HEIGHT - BOTTOM

    def across(label: str) -> float:
        return _across(places[label])

    def _across(x: float) -> float:
        return LEFT + x / x_ticks[-1] * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        share = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return floor - share * (floor - TOP)

    def height(label: str) -> float:
        return down(scale * points[label]["measures"][measure]["value"])

    yield f'<text class="measure" x="{LEFT}" y="{TOP - 12}">{escape(_title(measure))}</text>'
    for tick in y_ticks:
        y = down(tick)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="soft end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
    for tick in x_ticks:
        yield f'<text class="soft middle" x="{_across(tick):.1f}" y="{floor + 16}">{tick:g}</text>'
    yield f'<text class="soft" x="{LEFT}" y="{floor + 33}">{AXES[axis]}</text>'
    if level is not None:
        y = down(scale * level["value"])
        yield f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    for label, point in points.items():
        if point["after"] in points:
            start = f"{across(point['after']):.1f},{height(point['after']):.1f}"
            colour = "bad" if point["tuned"] else "good"
            end = f"{across(label):.1f},{height(label):.1f}"
            yield f'<polyline class="{colour} way" points="{start} {end}"/>'
    for label, point in points.items():
        colour = "bad" if point["tuned"] else "good"
        x, (low, high) = across(label), point["measures"][measure]["interval_95"]
        yield (
            f'<line class="{colour}" opacity="0.5" x1="{x:.1f}" x2="{x:.1f}"'
            f' y1="{down(scale * low):.1f}" y2="{down(scale * high):.1f}"/>'
            f'<circle class="{colour}" cx="{x:.1f}" cy="{height(label):.1f}" r="3.5">'
            f"<title>{escape(label)}</title></circle>"
        )


def _shown(figures: Mapping[str, Any]) -> list[str]:
    """Judges and word errors, and how lively the pitch is."""
    found = dict.fromkeys(m for point in figures["points"] for m in point["measures"])
    return [m for m in found if (m in MEASURES or m.startswith("F0")) and m != ERROR_RATIO]


def _title(measure: str) -> str:
    if measure not in MEASURES:
        return measure
    better = "lower" if MEASURES[measure].more_is_worse else "higher"
    return f"{measure}{', %' if is_rate(measure) else ''} ({better} is better)"


def _cell(measure: str, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    words = interval(found["value"], *found["interval_95"], percent=is_rate(measure))
    decided = found.get("difference", {}).get("verdict", "undecided") != "undecided"
    return f"**{words}**" if decided else words
