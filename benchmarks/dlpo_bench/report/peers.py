"""The section on other speech engines beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.bootstrap import Estimate
from dlpo_bench.load.report import Target
from dlpo_bench.plots import Point, draw_panels
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, number, table

PIPER = Target("Piper medium's architecture, times as long as ours", "piper", "", 1.5, 5, True)
OURS = "dlpo"
DECIDED_COLOURS = {True: "good", False: "bad"}


def peers(found: Sequence[Found]) -> Section:
    """How many times as long as ours each peer takes."""
    figures = found[0].record.figures
    pictures = {}
    if figures["ratios"]:
        pictures["Peers on one core"] = _picture(figures["ratios"])
    return Section("Peers on one core", peers_text(figures), found[:1], pictures)


def peers_text(figures: Mapping[str, Any]) -> str:
    """The figures of a record, as Markdown."""
    parts = [
        f"All contestants on one core with one thread, in turns over {figures['rounds']} rounds."
        " What the words mean: [bench-peers.md](bench-peers.md).",
        _ratio_table(figures),
        _contestant_table(figures["contestants"]),
    ]
    notes = [
        f"- {name}: {one['note']}." for name, one in figures["contestants"].items() if "note" in one
    ]
    notes += [
        f"- {_arithmetic(one)}"
        for one in figures["contestants"].values()
        if "gmac_per_audio_s" in one
    ]
    notes += [f"- {name} was skipped: {reason}." for name, reason in figures["skipped"].items()]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


def _ratio_table(figures: Mapping[str, Any]) -> str:
    if not figures["ratios"]:
        return "No peer was measured."
    lines = [_ratios("time per second of audio, times ours", figures["ratios"])]
    if to_whole := figures["ratios_to_whole"]:
        lines.append(_ratios("times ours in whole sentences", to_whole))
    if "piper" in figures["ratios"]:
        least = min(ratio["rtf"]["value"] for ratio in figures["ratios"]["piper"].values())
        lines.append(
            f"{PIPER.name}: {number(least)} where it is least (floor {PIPER.floor:g}, aim"
            f" {PIPER.aim:g}: {PIPER.verdict(least)})."
        )
    return "\n\n".join(lines)


def _ratios(title: str, ratios: Mapping[str, Any]) -> str:
    lengths = list(next(iter(ratios.values())))
    header = [title]
    for length in lengths:
        header += [length, f"{length}, processor time"]
    rows = []
    for name, ratio in ratios.items():
        row = [name]
        for length in lengths:
            row += [_interval(ratio[length][measure]) for measure in ("rtf", "cpu_rtf")]
        rows.append(row)
    return table(header, rows)


def _contestant_table(contestants: Mapping[str, Any]) -> str:
    lengths = list(contestants[OURS]["texts"])
    header = ["contestant", "version"]
    for length in lengths:
        header += [f"RTF, {length}", "± deviation", "audio, s"]
    header += ["load, s", "peak memory, MB"]
    rows = []
    for name, one in contestants.items():
        row = [f"{name}: {one['title']}", one["version"]]
        for length in lengths:
            text = one["texts"][length]
            row += [number(text["rtf_median"]), number(text["rtf_spread"], 2)]
            row.append(f"{text['audio_s']:.1f}")
        row += [number(one["load_s"]) if "load_s" in one else "each time"]
        rows.append([*row, f"{one['peak_mb']:.0f}"])
    return table(header, rows)


def _arithmetic(one: Mapping[str, Any]) -> str:
    """Why its speed does not hang on what its weights are."""
    parts = one["gmac_per_audio_s"]
    whole = sum(parts.values())
    by_part = ", ".join(f"{name} {100 * value / whole:.1f} %" for name, value in parts.items())
    return (
        f"{one['title']}: {one['parameters'] / 1e6:.2f} M parameters in its graph (a published"
        f" voice: {one['published_parameters'] / 1e6:.1f} M), {whole:.2f} x 10^9 multiplications"
        f" in convolutions for a second of audio: {by_part}."
    )


def _picture(ratios: Mapping[str, Mapping[str, Any]]) -> str:
    panels: dict[str, list[Point]] = {}
    for name, by_length in ratios.items():
        for length, measures in by_length.items():
            ratio = measures["rtf"]
            estimate = Estimate(ratio["value"], *ratio["interval_95"])
            faster = estimate.low > 1
            decided = faster or estimate.high < 1
            words = ("ours is faster" if faster else "ours is slower") if decided else "undecided"
            colour = DECIDED_COLOURS[faster] if decided else "plain"
            panels.setdefault(f"text of {length}", []).append(Point(name, estimate, colour, words))
    title = "Time for a second of audio, times that of our voice, 95 % intervals"
    return draw_panels(title, panels, zero=True)


def _interval(ratio: Mapping[str, Any]) -> str:
    return interval(ratio["value"], *ratio["interval_95"], percent=False)
