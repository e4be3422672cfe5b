"""Tables of stream figures, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlpo_bench.report.tables import interval, number, table

Figures = Mapping[str, Mapping[str, Any]]

KNEE = {  # key of a race's figures -> column
    "first_audio_ms_p50": "first audio p50, ms",
    "first_audio_ms_p95": "p95",
    "first_audio_ms_p99": "p99",
    "goodput_audio_s_per_s": "goodput, s/s",
    "underrun_share": "gaps, share",
    "shed_share": "shed",
    "core_hour_ratio": "core hours per hour",
    "peak_mb": "peak, MB",
}
STAGES = {
    "queue_ms": "queue, ms a call",
    "encode_ms_per_audio_s": "encode, ms per s",
    "frames_ms_per_audio_s": "frames",
    "denoise_ms_per_audio_s": "denoise",
    "encode_audio_ms_per_audio_s": "encode audio",
}
TOKENS = {
    "first_token_to_speech_ms_p50": "first token to speech p50, ms",
    "first_token_to_speech_ms_p95": "p95",
    "last_token_to_end_of_speech_ms_p50": "last token to end of speech p50, ms",
    "underrun_s": "gaps, s",
    "core_hour_ratio": "core hours per hour",
    "peak_mb": "peak, MB",
}


def knee_tables(knee: Figures) -> Iterator[str]:
    """Ratios first, then the knees, then the server's own time at the knee."""
    races = {name: figures for name, figures in knee.items() if name != "ratios"}
    if ratios := knee.get("ratios"):
        header = ["against the first", "knee", "first audio p50 [95 % interval]", "at load"]
        yield table(header, [[name, *_ratio_cells(one)] for name, one in ratios.items()])
    rows = []
    for name, figures in races.items():
        at_least = "≥ " if figures["knee_is_bound"] else ""
        rows.append([name, at_least + number(figures["knee"]), *_cells(figures, KNEE)])
    yield table(["server, loop", "knee", *KNEE.values()], rows)
    staged = {name: figures for name, figures in races.items() if "queue_ms" in figures}
    if staged:
        rows = [[name, *_cells(figures, STAGES)] for name, figures in staged.items()]
        yield table(["time of the server", *STAGES.values()], rows)


def tokens_table(tokens: Figures) -> str:
    """Text from a language model."""
    rows = [[name, *_cells(figures, TOKENS)] for name, figures in tokens.items()]
    return table(["server", *TOKENS.values()], rows)


def _ratio_cells(ratios: Mapping[str, float]) -> Sequence[str]:
    knee = number(ratios["knee"]) if "knee" in ratios else "–"
    if "first_audio" not in ratios:
        return [knee, "–", "–"]
    ends = ratios["first_audio_low"], ratios["first_audio_high"]
    first = interval(ratios["first_audio"], *ends, percent=False)
    return [knee, first, number(ratios["load"])]


def _cells(figures: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    """A dash stands for what was not measured."""
    return [number(figures[key]) if key in figures else "–" for key in columns]
