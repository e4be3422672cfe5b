"""Sections on a server: one stream, a process that starts, many streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.load.report import TARGETS
from dlpo_bench.report.scenes import Dot, Scene, distribution, draw_scenes
from dlpo_bench.report.sections import Found, Section, named_figures
from dlpo_bench.report.tables import number, table

LATENCY = {
    "first_audio_ms_p50": "first audio, 80-character sentence, p50, ms",
    "first_audio_ms_p95": "p95, ms",
    "stream_rtf_p50": "real-time factor of a stream, p50",
    "start_s": "start of the process to SERVING, s",
    "rss_mb": "resident memory then, MB",
    "rss_after_mb": "after the calls, MB",
}
COLD_START = {
    "first_audio_ms": "start of the process to first audio, ms",
    "python_ms": "of it Python's own start, ms",
    "imports_ms": "imports, ms",
    "open_voice_ms": "opening the voice, ms",
    "first_chunk_ms": "first chunk, ms",
    "processor_ms": "processor time of all threads, ms",
}
CALLS = {  # measurement of a load record, its raw samples -> what a picture calls them
    ("first-audio", "first_audio_ms"): "First audio, one stream",
    ("refusals", "refusal_ms"): "Refusal by a full server",
    ("freed-places", "freed_ms"): "A cancelled stream's place, free",
}


def latency(found: Sequence[Found]) -> Section:
    """One stream over gRPC."""
    record = found[0].record
    pictures = {}
    if first_ms := record.samples.get("first_audio_ms"):
        seen = "Latency of one stream"
        pictures[seen] = draw_scenes(seen, [distribution("First audio", "ms", first_ms)])
    return Section("One stream", named_figures(record.figures, LATENCY), found[:1], pictures)


def cold_start(found: Sequence[Found]) -> Section:
    """A process that was just started."""
    text = "The least of all repeats; the files are in the page cache.\n\n"
    text += named_figures(found[0].record.figures, COLD_START)
    return Section("A cold process", text, found[:1])


def load(found: Sequence[Found]) -> Section:
    """A server under load; each measurement from the newest record that has it."""
    newest: dict[str, Found] = {}
    for one in found:
        for measurement in one.record.figures:
            newest.setdefault(measurement, one)
    figures = {name: one.record.figures[name] for name, one in newest.items()}
    samples = {name: one.record.samples.get(name, {}) for name, one in newest.items()}
    rows = []
    for target in TARGETS:
        value = figures.get(target.measurement, {}).get(target.figure)
        if value is not None:
            aims = [f"{target.floor:g}", f"{target.aim:g}"]
            rows.append([target.name, number(value), *aims, target.verdict(value)])
    if not rows:
        raise LookupError("no measurement of load/report.py's targets")
    text = "What the words mean: [load.md](load.md).\n\n"
    text += table(["measure", "measured", "floor", "aim", "reached"], rows)
    sources = [one for one in found if any(one is used for used in newest.values())]
    return Section("Under load", text, sources, _pictures(figures, samples))


def _pictures(figures: Mapping[str, Any], samples: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    calls = [
        distribution(title, "ms", samples[measurement][name])
        for (measurement, name), title in CALLS.items()
        if samples.get(measurement, {}).get(name)
    ]
    if calls:
        found["Latency of calls"] = draw_scenes("Latency of calls", calls)
    if levels := samples.get("streams", {}).get("levels"):
        passed = figures["streams"]["streams"]
        found["Levels of load"] = draw_scenes("Levels of load", _levels(levels, passed))
    return found


def _levels(levels: Sequence[Mapping[str, Any]], passed: float) -> list[Scene]:
    """Every try of the search for the largest level that passes."""

    def scene(title: str, unit: str, key: str) -> Scene:
        dots = [
            Dot(level["listeners"], level[key], "bad" if level["refused"] else "good")
            for level in levels
        ]
        return Scene(
            title, "listeners", unit, dots=dots, notes=[(passed, f"{passed:g} in real time")]
        )

    return [
        scene("First audio, p95 (orange: some were refused)", "ms", "first_audio_ms_p95"),
        scene("Refused calls", "calls", "refused"),
    ]
