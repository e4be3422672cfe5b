"""The section on quality against steps and cost: what the voice as served gives, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.measures import MEASURES
from dlpo_bench.quality_report import is_rate
from dlpo_bench.report.fronts import Front, Spot, draw_fronts
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, number, table

STEPS, COST = "Quality against reverse steps", "Quality against cost"
WORDS = "hollow: fewer clips; dashed: the recordings"
COST_WORDS = f"ring: no other point is as good for less; numbers: reverse steps; {WORDS}"


def pareto(found: Sequence[Found]) -> Section:
    """Judges against real-time factor and against steps, before and after tuning."""
    record = found[0].record
    pictures = {
        COST: draw(record.figures, by_cost=True),
        STEPS: draw(record.figures, by_cost=False),
    }
    text = report_text(record.figures, record.samples)
    return Section("Quality for its cost", text, found[:1], pictures)


def report_text(figures: Mapping[str, Any], samples: Mapping[str, Any]) -> str:
    """Ratios first, then all points, then what is missing."""
    parts = [_ratios(figures), points_table(figures), _reading(figures, samples)]
    if skipped := figures["skipped"]:
        parts.append("\n".join(f"- Skipped: {name}: {why}" for name, why in skipped.items()))
    return "\n\n".join(parts)


def points_table(figures: Mapping[str, Any]) -> str:
    """A row for each point: what it costs, and its height by every judge."""
    points, baseline = figures["points"], figures["baseline"]
    measures = [m for m in MEASURES if any(m in p["heights"] for p in points.values())]
    rows = []
    for label, point in points.items():
        name = f"**{label}**" if label == baseline else label
        cells = [_height(m, point) for m in measures]
        rows.append([name, number(point["rtf"]), _times(point), str(point["clips"]), *cells])
    recorded = [_shown(m, figures["recordings"].get(m)) for m in measures]
    rows.append(["recordings", "", "", "", *recorded])
    return table(["system", "RTF", f"times {baseline}", "clips", *measures], rows)


def draw(figures: Mapping[str, Any], *, by_cost: bool) -> str:
    """An SVG document: a panel for each judge.

    Args:
        by_cost: over real-time factors; else over steps, where nothing is ringed.
    """
    points = figures["points"]
    most = max(point["clips"] for point in points.values())
    fronts = []
    for measure in MEASURES:
        series: dict[str, list[Spot]] = {}
        for point in sorted(points.values(), key=lambda point: point["steps"]):
            if measure not in point["heights"]:
                continue
            height, scale = point["heights"][measure], _scale(measure)
            low, high = height.get("interval_95", (None, None))
            series.setdefault(point["series"], []).append(
                Spot(
                    point["rtf"] if by_cost else point["steps"],
                    scale * height["value"],
                    None if low is None else (scale * low, scale * high),
                    str(point["steps"]) if by_cost else "",
                    by_cost and measure in point["optimal"],
                    point["clips"] < most,
                )
            )
        if series:
            unit = ", %" if is_rate(measure) else ""
            better = "lower" if MEASURES[measure].more_is_worse else "higher"
            level = figures["recordings"].get(measure)
            scaled = None if level is None else _scale(measure) * level
            fronts.append(Front(f"{measure}{unit} ({better} is better)", series, scaled))
    if by_cost:
        return draw_fronts(COST, "real-time factor on one core", fronts, COST_WORDS)
    return draw_fronts(STEPS, "reverse steps", fronts, WORDS)


def _ratios(figures: Mapping[str, Any]) -> str:
    """The paper's setting, many steps without tuning, beside what is served."""
    points, baseline = figures["points"], figures["baseline"]
    untuned = [label for label, point in points.items() if point["series"] == "untuned"]
    if not untuned:
        raise LookupError("no point of the untuned voice")
    paper = max(untuned, key=lambda label: points[label]["steps"])
    point = points[paper]
    apart = {
        measure: value["difference"]
        for measure, value in figures["judged"][paper].items()
        if measure in MEASURES and "difference" in value
    }
    clips = max((d["sentences"] for d in apart.values()), default=0)
    lines = [f"**{paper}** beside **{baseline}**, clips that both said: {clips}", ""]
    if "times_baseline" in point:
        value, low, high = point["times_baseline"]
        lines.append(f"- costs {number(value)} times as much [{number(low)}, {number(high)}]")
    for measure, d in apart.items():
        words = interval(d["value"], *d["interval_95"], percent=is_rate(measure), signed=True)
        if d["sentences"] < 2:  # an interval without width would say too much
            words = words.partition(" [")[0]
        lines.append(f"- {measure} {words}, {d['verdict']}")
    return "\n".join(lines)


def _reading(figures: Mapping[str, Any], samples: Mapping[str, Any]) -> str:
    clips = len(samples["clips"])
    if figures["rtf_from"] == "rounds":
        cost = f"{len(samples['rounds'])} rounds in which all points took turns"
        if "other_cores" in figures["machine"]:
            cost += f"; other processes used {figures['machine']['other_cores']:.2f} cores at most"
    else:
        cost = "processor time while the clips were made, on a machine that did other work too"
    lines = [
        f"Of {clips} test sentences. Heights are comparable though points said different numbers of"
        f" them: the mean of {figures['baseline']} plus the difference from it, clip by clip."
        " **Bold**: that difference is decided; \\*: no other point is as good for less.",
        f"RTF: real-time factor on one core, median; {cost}. `untuned` and `tuned` in eager"
        " PyTorch, whole sentences; `tuned int8` as served, in chunks.",
        "What the words mean: [bench-quality.md](bench-quality.md).",
    ]
    return "  \n".join(lines)


def _height(measure: str, point: Mapping[str, Any]) -> str:
    height = point["heights"].get(measure)
    if height is None:
        return ""
    words = _shown(measure, height["value"])
    if height.get("verdict", "undecided") != "undecided":
        words = f"**{words}**"
    return words + (r" \*" if measure in point["optimal"] else "")


def _times(point: Mapping[str, Any]) -> str:
    return number(point["times_baseline"][0]) if "times_baseline" in point else ""


def _shown(measure: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if is_rate(measure) else f"{value:.2f}"


def _scale(measure: str) -> float:
    return 100.0 if is_rate(measure) else 1.0
