"""Sections on how voices sound: judges, listeners, texts of many kinds, speed and pitch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlpo_bench.compare import MEASURES, UNDECIDED
from dlpo_bench.eval import in_percent, is_rate, measure_title, scale_of
from dlpo_bench.plots import COLORS, PlotPanel, Series, draw_panels
from dlpo_bench.systems import RECORDINGS
from dlpo_bench.tables import Block, Figures, Found, Section, Table, estimate, number, table_of

STEPS, COST = "Quality against reverse steps", "Quality against cost"
WORDS = "hollow: fewer clips; dashed: the recordings"
COST_WORDS = f"ring: no other point is as good for less; numbers: reverse steps; {WORDS}"
LEFT_TO_RECORDS = {  # measures that the page doesn't show
    "level, dB", "mel spread, dB", "> 4 kHz, dB", "seconds", "P.835 SIG", "P.835 BAK",
    "word errors", "word errors, tiny.en", "word errors / recordings'", "character errors",
    "character errors, tiny.en",
}  # fmt: skip
PARTS = ("left out", "added", "repeated")  # of word errors, left to records too
TABLED = (1, 3, 50, 1000)  # reverse steps; the plots show all
FEWEST_CLIPS = 2  # for a comparison to appear in the headline


def quality(found: Sequence[Found]) -> Section:
    """Judges' means, of the newest record of each set of texts."""
    by_texts = {tuple(one.record.samples["texts"]): one for one in reversed(found)}
    shown, blocks = [*by_texts.values()], list[Block]()
    for figures, clips in ((one.figures, one.record.samples["clips"]) for one in shown):
        caption = f"Means over {len(clips)} clips; the record has intervals and more measures."
        blocks += [caption + _bold(figures), judged(figures)]
    return Section("How voices sound", blocks, shown)


def judged(figures: Figures) -> Table:
    """A row for each measure, a column for each system; the record has the intervals."""
    measures = dict.fromkeys(measure for scores in figures.values() for measure in scores)
    rows = [
        [m, *(_mean(m, scores.get(m)) for scores in figures.values())]
        for m in measures
        if m not in LEFT_TO_RECORDS and not m.endswith(PARTS)
    ]
    return Table(["measure", *figures], rows)


def _bold(figures: Figures) -> str:
    """What bold means, if there is a baseline."""
    values = (value for scores in figures.values() for value in scores.values())
    baseline = next((v["difference"]["from"] for v in values if "difference" in v), None)
    return f" **Bold**: decidedly different from `{baseline}`." if baseline else ""


def _mean(measure: str, score: Figures | None) -> str:
    if score is None:
        return ""
    percent = in_percent(measure)
    words = f"{100 * score['value']:.2f} %" if percent else f"{score['value']:.2f}"
    decided = score.get("difference", {}).get("verdict", UNDECIDED) != UNDECIDED
    return f"**{words}**" if decided else words


def pareto(found: Sequence[Found]) -> Section:
    """Judges against real-time factor and against steps, before and after tuning."""
    figures = found[0].figures
    pictures = {
        COST: draw_pareto(figures, by_cost=True), STEPS: draw_pareto(figures, by_cost=False),
    }  # fmt: skip
    blocks = pareto_blocks({**figures, "skipped": {}})
    return Section("Quality for its cost", blocks, found[:1], pictures)


def pareto_blocks(figures: Figures) -> list[Block]:
    """Many steps without tuning against the served voice, all points, and what was skipped."""
    points, baseline = figures["points"], figures["baseline"]
    measures = [m for m in MEASURES if any(m in p["heights"] for p in points.values())]
    rows: dict[str, dict[str, Any]] = {}
    for label, point in points.items():
        if point["steps"] not in TABLED:
            continue
        row = rows[f"**{label}**" if label == baseline else label] = {
            "rtf": point["rtf"],
            "times": point.get("times_baseline", [""])[0],
        }  # fmt: skip
        row |= {measure: _height(measure, point) for measure in measures}
    rows[RECORDINGS] = {m: short(m, value) for m, value in figures["recordings"].items()}
    columns = {"rtf": "RTF", "times": f"times {baseline}"}
    table = table_of("system", rows, columns | {m: m for m in measures})
    skipped = "\n".join(f"- Skipped: {name}: {why}" for name, why in figures["skipped"].items())
    notes = _pareto_notes(figures)
    return [one for one in (_pareto_headline(figures), table, notes, skipped) if one]


def draw_pareto(figures: Figures, *, by_cost: bool) -> str:
    """An SVG document with a panel for each judge.

    Args:
        by_cost: over real-time factors, with optimal points circled; otherwise over reverse steps.
    """
    points = figures["points"]
    most = max(point["clips"] for point in points.values())
    names = list(dict.fromkeys(point["series"] for point in points.values()))
    x_label = "real-time factor on one core" if by_cost else "reverse steps"
    panels = []
    for measure in MEASURES:
        scale, series = scale_of(measure), []
        for name, color in zip(names, COLORS, strict=False):
            of_series = [
                point
                for point in sorted(points.values(), key=lambda point: point["steps"])
                if point["series"] == name and measure in point["heights"]
            ]
            if of_series:
                series += _pareto_series(of_series, measure, name, color, most, by_cost)
        if series:
            level = figures["recordings"].get(measure)
            scaled = None if level is None else scale * level
            panels.append(PlotPanel(measure_title(measure), x_label, "", series, "x", scaled))
    return draw_panels(COST_WORDS if by_cost else WORDS, panels)


def _pareto_series(
    points: Sequence[Figures], measure: str, name: str, color: str, most: int, by_cost: bool
) -> list[Series]:
    scale, x_key = scale_of(measure), "rtf" if by_cost else "steps"

    def series(chosen: Sequence[Figures], **style: Any) -> Series:
        x = [point[x_key] for point in chosen]
        y = [scale * point["heights"][measure]["value"] for point in chosen]
        return Series(x, y, color=color, **style)

    drawn = [series(points, label=name, style="-")]
    for face, fewer in (("", False), ("white", True)):
        chosen = [point for point in points if (point["clips"] < most) == fewer]
        heights = [point["heights"][measure] for point in chosen]
        ends = [
            tuple(scale * end for end in height.get("interval_95", (height["value"],) * 2))
            for height in heights
        ]
        if chosen:
            drawn.append(series(chosen, face=face, ends=ends))
    optimal = [point for point in points if measure in point["optimal"]]
    if by_cost and optimal:
        notes = [str(point["steps"]) for point in optimal]
        drawn.append(series(optimal, size=9, face="none", notes=notes))
    return drawn


def _pareto_headline(figures: Figures) -> str:
    """The paper's setting, many steps without tuning, against the served voice."""
    points, baseline = figures["points"], figures["baseline"]
    untuned = [label for label, point in points.items() if point["series"] == "untuned"]
    if not untuned:
        raise LookupError("no point of the untuned voice")
    paper = max(untuned, key=lambda label: points[label]["steps"])
    apart = {
        measure: value["difference"]
        for measure, value in figures["judged"][paper].items()
        if measure in MEASURES and "difference" in value
    }
    clips = max((d["sentences"] for d in apart.values()), default=0)
    lines = []
    if "times_baseline" in points[paper]:
        value, low, high = points[paper]["times_baseline"]
        lines.append(f"- costs {number(value)} times as much [{number(low)}, {number(high)}]")
    if clips >= FEWEST_CLIPS:
        lines += [
            f"- {measure} {estimate(d, percent=is_rate(measure), signed=True)}, {d['verdict']}"
            for measure, d in apart.items()
        ]
    head = f"**{paper}** against **{baseline}**, clips that both spoke: {clips}"
    return "\n".join([head, "", *lines]) if lines else ""


def _pareto_notes(figures: Figures) -> str:
    clips = max(point["clips"] for point in figures["points"].values())
    lines = [
        f"{clips} test sentences. Scores are comparable even where points spoke"
        f" different numbers of them: the mean of {figures['baseline']} plus the difference from"
        " it, clip by clip. **Bold**: that difference is decided; \\*: no other point is as good"
        " for less.",
        "RTF: real-time factor on one core, median; processor time of making the clips, on a"
        " machine that did other work too. `untuned` and `tuned` in eager PyTorch, whole sentences;"
        " `tuned int8` as served, in chunks.",
        "Definitions: [speed.md](../docs/speed.md#number-of-steps).",
    ]
    return "  \n".join(lines)


def _height(measure: str, point: Figures) -> str:
    height = point["heights"].get(measure)
    if height is None:
        return ""
    words = short(measure, height["value"])
    if height.get("verdict", UNDECIDED) != UNDECIDED:
        words = f"**{words}**"
    return words + (r" \*" if measure in point["optimal"] else "")


def short(measure: str, value: float) -> str:
    """A score; rates in per cent."""
    return f"{100 * value:.1f} %" if is_rate(measure) else f"{value:.2f}"
