"""A text heard piece by piece, with the memory of the process that speaks. Linux only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from dlpo_bench.proc import memory_mb

READ_EVERY_S = 5.0  # of audio, between two readings of memory


@dataclass(frozen=True, slots=True)
class Heard:
    """One text, from asking for it to its last sound."""

    audio_s: float
    wall_s: float
    first_audio_s: float
    resident_mb: list[tuple[float, float]]
    """(seconds of audio so far, resident memory) now and then, from the first piece on"""

    @property
    def rtf(self) -> float:
        """Seconds for a second of audio."""
        return self.wall_s / self.audio_s


def listen(pieces: Callable[[], Iterable[Any]], rate_hz: int, pid: int | Literal["self"]) -> Heard:
    """Ask for pieces and take them all.

    Args:
        pieces: asks; each piece has `samples`.
        rate_hz: of the samples.
        pid: of the process that speaks.
    """
    start = time.perf_counter()
    samples, first_s = 0, 0.0
    readings: list[tuple[float, float]] = []
    for piece in pieces():
        first_s = first_s or time.perf_counter() - start
        samples += len(piece.samples)
        if not readings or samples / rate_hz - readings[-1][0] >= READ_EVERY_S:
            readings.append((samples / rate_hz, memory_mb(pid, "VmRSS")))
    return Heard(samples / rate_hz, time.perf_counter() - start, first_s, readings)
