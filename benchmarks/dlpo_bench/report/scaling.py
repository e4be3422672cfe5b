"""The section on what longer texts and more streams cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.load.report import Target
from dlpo_bench.report.scenes import Dot, Scene, draw_scenes
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import interval, number, table

TARGETS = (
    Target("time per second of audio, 60 s / 5 s", "stream", "rtf", 1.1, 1.02),
    Target("the same, processor time", "stream", "cpu_rtf", 1.1, 1.02),
    Target("time from a server", "served", "rtf", 1.1, 1.02),
    Target("the same, its processor time", "served", "cpu_rtf", 1.1, 1.02),
    Target("peak memory, 60 s / 5 s", "stream", "peak_mb", 1.1, 1.0),
    Target("peak memory of a server", "served", "peak_mb", 1.1, 1.0),
)
WAYS = {
    "stream": "streamed in process",
    "whole": "whole in process",
    "served": "streamed by a server",
}
PICTURE = "Cost of longer texts and more streams"


def scaling(found: Sequence[Found]) -> Section:
    """Ratios of long to short, then every length and number of streams."""
    figures = found[0].record.figures
    scenes = [*_length_scenes(figures["lengths"]), *_stream_scenes(figures["streams"])]
    pictures = {PICTURE: draw_scenes(PICTURE, scenes)}
    return Section("Cost of scale", scaling_text(figures), found[:1], pictures)


def scaling_text(figures: Mapping[str, Any]) -> str:
    """The figures of a record, as Markdown."""
    parts = [
        f"Medians of {figures['rounds']} rounds, each text in a process of its own. What the words"
        " mean: [bench-scaling.md](bench-scaling.md)."
    ]
    if figures["ratios"]:
        parts.append(_ratio_table(figures["ratios"]))
    parts.append(_length_table(figures["lengths"]))
    if figures["streams"]:
        parts.append(_stream_table(figures["streams"]))
    return "\n\n".join(parts)


def _ratio_table(ratios: Mapping[str, Any]) -> str:
    rows = []
    for target in TARGETS:
        ratio = ratios.get(target.measurement, {}).get(target.figure)
        if ratio:
            measured = interval(ratio["value"], *ratio["interval_95"], percent=False)
            limits = [f"{target.floor:g}", f"{target.aim:g}"]
            rows.append([target.name, measured, *limits, target.verdict(ratio["value"])])
    return table(["ratio", "measured", "floor", "aim", "reached"], rows)


def _length_table(lengths: Mapping[str, Any]) -> str:
    columns = {
        "rtf": "RTF",
        "cpu_rtf": "RTF, processor time",
        "first_audio_ms": "first audio, ms",
        "peak_mb": "peak memory, MB",
        "grown_mb": "of it for the text, MB",
    }
    rows = []
    for way, by_length in lengths.items():
        for one in by_length.values():
            cells = [number(one[key]) if key in one else "" for key in columns]
            growth = one.get("growth_per_minute")
            cells.append("" if growth is None else f"{100 * growth:+.2f} %")
            rows.append([f"{WAYS[way]}, {one['audio_s']:.0f} s", *cells])
    header = ["text", *columns.values(), "growth for a minute of audio"]
    return table(header, rows)


def _stream_table(streams: Mapping[str, Any]) -> str:
    rows = [
        [
            count,
            *(
                number(one[key]) if key in one else ""
                for key in ("first_audio_ms_p50", "first_audio_ms_most", "speed", "peak_mb")
            ),
            number(one["refused"]),
        ]
        for count, one in streams.items()
    ]
    header = ["streams at once", "first audio, p50, ms", "last of them, ms"]
    return table([*header, "seconds of audio a second", "peak memory, MB", "refused"], rows)


def _length_scenes(lengths: Mapping[str, Any]) -> list[Scene]:
    """One for each measure: streams blue, whole texts orange."""

    def scene(title: str, unit: str, key: str) -> Scene:
        dots = [
            Dot(one["audio_s"], one[key], "bad" if way == "whole" else "good")
            for way, by_length in lengths.items()
            if way != "served"
            for one in by_length.values()
        ]
        return Scene(title, "seconds of audio", unit, dots=dots)

    return [
        scene("Time (blue: streamed, orange: whole)", "real-time factor", "rtf"),
        scene("Peak memory (blue: streamed, orange: whole)", "MB", "peak_mb"),
    ]


def _stream_scenes(streams: Mapping[str, Any]) -> list[Scene]:
    def scene(title: str, unit: str, key: str) -> Scene:
        dots = [Dot(int(count), one[key], "good") for count, one in streams.items() if key in one]
        return Scene(title, "streams at once", unit, dots=dots)

    scenes = [
        scene("First audio, median", "ms", "first_audio_ms_p50"),
        scene("Peak memory of the server", "MB", "peak_mb"),
    ]
    return [one for one in scenes if one.dots]
