"""Sections on how voices sound: judges, listeners, texts of many kinds, speed and pitch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.compare import MEASURES
from dlpo_bench.controls import LEVEL, RATIO, SHIFT, STRETCH
from dlpo_bench.eval import UNDECIDED, draw_differences, is_rate, means, measure_title, scale_of
from dlpo_bench.judging import WORD_ERRORS
from dlpo_bench.plots import (
    BLUE,
    COLORS,
    GRAY,
    Interval,
    PlotPanel,
    Series,
    draw_intervals,
    draw_panels,
)
from dlpo_bench.report.section import Found, Section
from dlpo_bench.statistics import SIGNIFICANT
from dlpo_bench.systems import RECORDINGS
from dlpo_bench.tables import Block, Table, estimate, number
from dlpo_bench.texts.measures import JUMP, LAST, LOUD, PACE, QUIET, SILENT
from dlpo_bench.texts.study import (
    ADDED,
    ALL,
    LEFT_OUT,
    LOUDNESS_SPREAD,
    QUESTION_END,
    STATEMENT_END,
)

Figures = Mapping[str, Any]
STEPS, COST = "Quality against reverse steps", "Quality against cost"
WORDS = "hollow: fewer clips; dashed: the recordings"
COST_WORDS = f"ring: no other point is as good for less; numbers: reverse steps; {WORDS}"
FEWEST_CLIPS = 2  # of a comparison in the headline
MOST_ERRORS = 1.3  # times those without a setting: above, a control costs intelligibility
CONTROLS = {
    WORD_ERRORS: "word errors",
    RATIO: "/ neutral",
    SHIFT: "pitch change, st",
    STRETCH: "duration x speed",
    LEVEL: "level change, dB",
}
TEXT_SCORES = (
    WORD_ERRORS, LEFT_OUT, ADDED, "DistillMOS", "NISQA", "NISQA-TTS", "DNSMOS P.808",
)  # fmt: skip
TEXT_SIGNALS = (
    STATEMENT_END, QUESTION_END, LOUDNESS_SPREAD, QUIET, JUMP, LAST, SILENT, LOUD, PACE,
    "F0 spread, st",
)  # fmt: skip
LISTENING = ("systems", "raters", "answers", "first", "second", "same", "first of decided", "p",
             "agreement", "preferred")  # fmt: skip


def quality(found: Sequence[Found]) -> Section:
    """Judges' means, and differences from the baseline where there is one."""
    newest = found[0]
    figures = newest.record.figures
    clips = len(newest.record.samples["clips"])
    blocks: list[Block] = [
        f"Means over {clips} clips with 95 % bootstrap intervals.",
        means(figures),
    ]
    pictures = {}
    if drawn := draw_differences(figures, clips):
        pictures["Differences from the baseline, by judge"] = drawn
    return Section("How voices sound", blocks, [newest], pictures)


def pareto(found: Sequence[Found]) -> Section:
    """Judges against real-time factor and against steps, before and after tuning."""
    figures, samples = found[0].record.figures, found[0].record.samples
    pictures = {
        COST: draw_pareto(figures, by_cost=True),
        STEPS: draw_pareto(figures, by_cost=False),
    }
    return Section("Quality for its cost", pareto_blocks(figures, samples), found[:1], pictures)


def pareto_blocks(figures: Figures, samples: Figures) -> list[Block]:
    """Many steps without tuning against the served voice, all points, and what was skipped."""
    points, baseline = figures["points"], figures["baseline"]
    measures = [m for m in MEASURES if any(m in p["heights"] for p in points.values())]
    rows = []
    for label, point in points.items():
        name = f"**{label}**" if label == baseline else label
        times = number(point["times_baseline"][0]) if "times_baseline" in point else ""
        scores = [_height(m, point) for m in measures]
        rows.append([name, number(point["rtf"]), times, str(point["clips"]), *scores])
    recorded = [_short(m, figures["recordings"].get(m)) for m in measures]
    rows.append(["recordings", "", "", "", *recorded])
    table = Table(["system", "RTF", f"times {baseline}", "clips", *measures], rows)
    skipped = "\n".join(f"- Skipped: {name}: {why}" for name, why in figures["skipped"].items())
    blocks: list[Block] = [_pareto_headline(figures), table, _pareto_notes(figures, samples)]
    blocks.append(skipped)
    return [block for block in blocks if block]


def draw_pareto(figures: Figures, *, by_cost: bool) -> str:
    """An SVG document with a panel for each judge.

    Args:
        by_cost: over real-time factors, with optimal points ringed; else over reverse steps.
    """
    points = figures["points"]
    most = max(point["clips"] for point in points.values())
    names = list(dict.fromkeys(point["series"] for point in points.values()))
    panels = []
    for measure in MEASURES:
        scale, series = scale_of(measure), []
        for name, color in zip(names, COLORS, strict=False):
            of_series = [
                point
                for point in sorted(points.values(), key=lambda point: point["steps"])
                if point["series"] == name and measure in point["heights"]
            ]
            series += _pareto_series(of_series, measure, name, color, most, by_cost)
        if series:
            level = figures["recordings"].get(measure)
            x_label = "real-time factor on one core" if by_cost else "reverse steps"
            scaled = None if level is None else scale * level
            panels.append(PlotPanel(measure_title(measure), x_label, "", series, "x", scaled))
    return draw_panels(COST_WORDS if by_cost else WORDS, panels)


def _pareto_series(
    points: Sequence[Figures], measure: str, name: str, color: str, most: int, by_cost: bool
) -> list[Series]:
    if not points:
        return []
    scale, x_key = scale_of(measure), "rtf" if by_cost else "steps"

    def series(chosen: Sequence[Figures], **style: Any) -> Series:
        x = [point[x_key] for point in chosen]
        y = [scale * point["heights"][measure]["value"] for point in chosen]
        return Series(x, y, color=color, **style)

    drawn = [series(points, label=name, style="-")]
    for hollow in (False, True):
        chosen = [point for point in points if (point["clips"] < most) == hollow]
        if chosen:
            heights = [point["heights"][measure] for point in chosen]
            ends = [
                tuple(scale * end for end in height.get("interval_95", (height["value"],) * 2))
                for height in heights
            ]
            drawn.append(series(chosen, face="white" if hollow else "", ends=ends))
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
    lines = [f"**{paper}** against **{baseline}**, clips that both spoke: {clips}", ""]
    if "times_baseline" in points[paper]:
        value, low, high = points[paper]["times_baseline"]
        lines.append(f"- costs {number(value)} times as much [{number(low)}, {number(high)}]")
    if clips >= FEWEST_CLIPS:
        for measure, d in apart.items():
            words = estimate(d, percent=is_rate(measure), signed=True)
            lines.append(f"- {measure} {words}, {d['verdict']}")
    return "\n".join(lines) if len(lines) > 2 else ""


def _pareto_notes(figures: Figures, samples: Figures) -> str:
    if figures["rtf_from"] == "rounds":
        cost = f"{len(samples['rounds'])} rounds in which all points took turns"
        if "other_cores" in figures["machine"]:
            cost += f"; other processes used at most {figures['machine']['other_cores']:.2f} cores"
    else:
        cost = "processor time of making the clips, on a machine that did other work too"
    lines = [
        f"{len(samples['clips'])} test sentences. Scores are comparable even where points spoke"
        f" different numbers of them: the mean of {figures['baseline']} plus the difference from"
        " it, clip by clip. **Bold**: that difference is decided; \\*: no other point is as good"
        " for less.",
        f"RTF: real-time factor on one core, median; {cost}. `untuned` and `tuned` in eager"
        " PyTorch, whole sentences; `tuned int8` as served, in chunks.",
        "Definitions: [bench-quality.md](bench-quality.md).",
    ]
    return "  \n".join(lines)


def _height(measure: str, point: Figures) -> str:
    height = point["heights"].get(measure)
    if height is None:
        return ""
    words = _short(measure, height["value"])
    if height.get("verdict", UNDECIDED) != UNDECIDED:
        words = f"**{words}**"
    return words + (r" \*" if measure in point["optimal"] else "")


def texts(found: Sequence[Found]) -> Section:
    """The newest record."""
    return Section("Texts of many kinds", texts_blocks(found[0].record.figures), found[:1])


def texts_blocks(figures: Figures) -> list[Block]:
    """For each voice: scores by category, signal measures, and accidents."""
    seeds = f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""
    blocks: list[Block] = [
        f"{figures['texts']} texts{seeds}. Definitions: [bench-texts.md](bench-texts.md)."
    ]
    blocks += [f"{name} left out: {reason}" for name, reason in figures["left_out"].items()]
    for label, categories in figures["systems"].items():
        measures = [m for m in TEXT_SCORES if m in categories[ALL]]
        if measures:
            rows = [
                [
                    category,
                    number(scores["texts"]),
                    *(_short(m, scores[m]["value"]) if m in scores else "" for m in measures),
                ]
                for category, scores in categories.items()
            ]
            blocks.append(Table([label, "texts", *measures], rows))
        blocks.append(_signal_table(label, categories[ALL], figures[RECORDINGS]))
        accidents = figures["accidents"][label]
        listed = "; ".join(f"{name}: {', '.join(what)}" for name, what in accidents.items())
        blocks.append(f"Accidents of {label}: {listed or 'none'}.")
    return blocks


def _signal_table(label: str, scores: Figures, recorded: Figures) -> Table:
    """All texts together, next to the recordings where those have the measure."""
    rows = []
    for measure in (m for m in TEXT_SIGNALS if m in scores):
        known = recorded.get(measure)
        reference = ""
        if known is not None:
            reference = f"{known['value']:.2f}, {known['least']:.2f} to {known['most']:.2f}"
        rows.append([measure, estimate(scores[measure], fixed=True), reference])
    return Table(["", f"{label}, mean [95 %]", f"{RECORDINGS}, mean, extremes"], rows)


def controls(found: Sequence[Found]) -> Section:
    """The newest record."""
    return Section("Speed and pitch", controls_blocks(found[0].record.figures), found[:1])


def controls_blocks(figures: Figures) -> list[Block]:
    """A table for each voice, and one for the recordings."""
    seeds = f", {figures['seeds']} noise seeds each" if figures["seeds"] > 1 else ""
    blocks: list[Block] = [
        f"{figures['clips']} test sentences{seeds}. Bold: more than {MOST_ERRORS:g} times the word"
        " errors without a setting. Definitions: [bench-texts.md](bench-texts.md)."
    ]
    for family, settings in figures["systems"].items():
        rows = [
            [setting, *(_control(measure, scores.get(measure)) for measure in CONTROLS)]
            for setting, scores in settings.items()
        ]
        blocks.append(Table([family, *CONTROLS.values()], rows))
    return blocks


def _control(measure: str, score: Figures | None) -> str:
    if score is None:
        return ""
    words = estimate(score, percent=is_rate(measure) and measure != RATIO, fixed=True)
    return f"**{words}**" if measure == RATIO and score["value"] > MOST_ERRORS else words


def listening(found: Sequence[Found]) -> Section:
    """Every listening test that was recorded, each by its newest record."""
    newest: dict[str, Found] = {}
    for one in found:
        newest.setdefault(one.record.figures["test_id"], one)
    tests = [one.record.figures for one in newest.values()]
    blocks: list[Block] = [
        "Blind tests in pairs, of raters who passed the catch trials. In brackets exact 95 %"
        " intervals; p of a two-sided binomial test; agreement is Krippendorff's alpha. Method:"
        " [listen.md](listen.md).",
        Table(LISTENING, list(map(_listening_row, tests))),
    ]
    rows = []
    for test in tests:
        share = test["pooled"]["a_of_decided"]
        if share["share"] is not None:
            value, low, high = (100 * (2 * share[key] - 1) for key in ("share", "low", "high"))
            color = GRAY if _winner(test) == UNDECIDED else BLUE
            rows.append(Interval(_pair(test), value, low, high, _winner(test), color))
    pictures = {}
    if rows:
        name = "Preference of listeners"
        title = "answers for the first minus for the second, % of the decided ones"
        pictures[name] = draw_intervals(name, {title: rows}, reference=0)
    return Section("Which voice listeners prefer", blocks, list(newest.values()), pictures)


def _listening_row(test: Figures) -> list[str]:
    pooled, alpha = test["pooled"], test["alpha"]
    p = pooled["p_value"]
    return [
        _pair(test),
        f"{len(test['counted'])} of {len(test['raters'])}",
        str(pooled["a"]["of"]),
        *(_share(pooled[which]) for which in ("a", "b", "same", "a_of_decided")),
        "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
        "–" if alpha is None else f"{alpha:.2f}",
        _winner(test),
    ]


def _winner(test: Figures) -> str:
    pooled = test["pooled"]
    if pooled["p_value"] is None or pooled["p_value"] >= SIGNIFICANT:
        return UNDECIDED
    winner: str = test["systems"]["a" if pooled["a_of_decided"]["share"] > 0.5 else "b"]
    return winner


def _pair(test: Figures) -> str:
    return f"{test['systems']['a']} or {test['systems']['b']}"


def _share(share: Figures) -> str:
    if share["share"] is None:
        return "–"
    return f"{share['share']:.0%} [{share['low']:.0%}, {share['high']:.0%}]"


def _short(measure: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if is_rate(measure) else f"{value:.2f}"
