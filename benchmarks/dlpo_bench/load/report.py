"""The table of what the server must reach, with what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of a measurement, what it must reach and what it should."""

    name: str
    measurement: str
    figure: str
    floor: float
    aim: float
    more_is_better: bool = False

    def verdict(self, value: float) -> str:
        """ "aim", "floor" or "MISSED"."""
        sign = -1 if self.more_is_better else 1
        if sign * value <= sign * self.aim:
            return "aim"
        return "floor" if sign * value <= sign * self.floor else "MISSED"


TARGETS = (
    Target("first audio of one stream, p50, ms", "first-audio", "first_audio_ms_p50", 50, 15),
    Target("first audio of one stream, p99, ms", "first-audio", "first_audio_ms_p99", 120, 30),
    Target("streams in real time, no gap", "streams", "streams", 16, 80, more_is_better=True),
    Target("refusal when full, p99, ms", "refusals", "refusal_ms_p99", 20, 5),
    Target("refusals with RetryInfo, share", "refusals", "retry_info_share", 1, 1, True),
    Target("overload: first audio p95, x unloaded", "overload", "first_audio_ratio", 4, 2),
    Target("overload: gaps of the admitted, s", "overload", "underrun_s", 0, 0),
    Target("overload: refusals with RetryInfo", "overload", "retry_info_share", 1, 1, True),
    Target("overload: calls failed", "overload", "failed", 0, 0),
    Target("cancelled stream frees its place, p99, ms", "freed-places", "freed_ms_p99", 200, 50),
    Target("memory growth of the soak, share", "soak", "growth", 0.05, 0.01),
    Target("soak: requests failed", "soak", "failed", 0, 0),
    Target("stream = one reply, largest deviation", "ways", "unary_largest", 1e-4, 0),
    Target("stream = offline, largest deviation", "ways", "offline_largest", 1e-4, 0),
    Target("streams at once = alone, deviation", "concurrent", "largest", 1e-4, 0),
)


def table(figures: Figures) -> Iterator[str]:
    """Lines of the targets that were measured; none where there are none."""
    rows = [
        f"{target.name:44}{value:12.5g}{target.floor:10g}{target.aim:10g}  {target.verdict(value)}"
        for target in TARGETS
        if (value := figures.get(target.measurement, {}).get(target.figure)) is not None
    ]
    if rows:
        yield f"{'measure':44}{'measured':>12}{'floor':>10}{'aim':>10}"
        yield from rows


def details(figures: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Lines of every figure; one that has parts is a heading."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from details(value, f"{indent}  ")
        else:
            yield f"{f'{indent}{name}':34}{value:12.5g}"
