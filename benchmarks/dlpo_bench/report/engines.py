"""Sections on ways to stream and encodings."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import number, table

ENCODING = {
    "first_bytes_ms": "audio before first bytes, ms",
    "kbit_per_s": "kbit/s",
    "processor_ms_per_s": "processor, ms per s",
    "open_ms": "open, ms",
    "memory_kb": "memory, kB",
}


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
