"""Sections on what computes: compiled graphs, engines, ways to stream, encodings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import number, table

_FIGURE = re.compile(r"(?P<graph>[a-z0-9]+)_(?P<length>[\d.]+s)_rtf")
ENGINE = {  # key of an engine's figures -> column
    "load_s": "load, s",
    "offline_rtf": "RTF, whole",
    "stream_rtf": "RTF, streamed",
    "offline_speed": "times faster, whole",
    "stream_speed": "streamed",
    "offline_error_db": "deviation, dB",
    "offline_log_spectral_db": "log-spectral, dB",
}
ENCODING = {
    "first_bytes_ms": "audio before first bytes, ms",
    "kbit_per_s": "kbit/s",
    "processor_ms_per_s": "processor, ms per s",
    "open_ms": "open, ms",
    "memory_kb": "memory, kB",
}


def compiled(found: Sequence[Found]) -> Section:
    """Eager PyTorch against the fused graphs, by length of the window."""
    figures = found[0].record.figures
    least: dict[str, dict[str, float]] = {}  # length -> graph -> RTF
    for name, value in figures.items():
        if match := _FIGURE.fullmatch(name):
            least.setdefault(match["length"], {})[match["graph"]] = value
    if not least:
        raise LookupError("no figure <graph>_<length>s_rtf")
    graphs = list(dict.fromkeys(graph for row in least.values() for graph in row))
    rows = [
        [f"{length[:-1]} s"]
        + [number(row[graph]) for graph in graphs]
        + [f"{row[graphs[0]] / row[graph]:.2f}" for graph in graphs[1:]]
        for length, row in least.items()
    ]
    text = "Real-time factor of the denoiser on one core, the least of all rounds.\n\n"
    header = ["window", *graphs, *(f"{graphs[0]} / {graph}" for graph in graphs[1:])]
    return Section("Compiled graphs", text + table(header, rows), found[:1])


def engine_comparison(found: Sequence[Found]) -> Section:
    """Engines and precisions side by side."""
    rows = [
        [engine, *(number(figures[key]) for key in ENGINE)]
        for engine, figures in found[0].record.figures.items()
    ]
    text = "Speed and deviation are against the first row.\n\n"
    return Section("Engines", text + table(["engine", *ENGINE.values()], rows), found[:1])


def streaming(found: Sequence[Found]) -> Section:
    """Ways to make a stream, by the sizes of its chunks."""
    figures = found[0].record.figures
    rows = [
        [chunks, way, number(cost["first_ms"]), number(cost["time"])]
        for chunks, ways in figures["cost"].items()
        for way, cost in ways.items()
    ]
    served = figures["served"]
    text = (
        f"{figures['steps']} reverse steps. Chunks as served, the whole stream takes"
        f" {served['stream_time']:.2f} times as long as one pass; its first chunk comes after"
        f" {served['first_chunk_ms']:.1f} ms. Times below are CPU times, of the whole stream"
        " in passes of the fp32 graph over the whole utterance.\n\n"
    )
    header = ["chunks", "way", "first chunk, ms", "whole stream, passes"]
    return Section("Ways to stream", text + table(header, rows), found[:1])


def audio_path(found: Sequence[Found]) -> Section:
    """Loudness, and what each encoding costs."""
    figures = found[0].record.figures
    loudness = figures["loudness"]
    rows = [
        [encoding["format"], *(number(encoding[key]) for key in ENCODING)]
        for encoding in figures["encodings"]
    ]
    text = (
        f"The voice speaks at {loudness['integrated_lufs']:.1f} LUFS, its sentences between"
        f" {loudness['softest_lufs']:.1f} and {loudness['loudest_lufs']:.1f}, its peak is"
        f" {loudness['peak_dbfs']:.1f} dBFS.\n\n"
    )
    return Section("Encodings", text + table(["encoding", *ENCODING.values()], rows), found[:1])
