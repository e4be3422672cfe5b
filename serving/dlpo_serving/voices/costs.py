"""What a voice costs on this machine, by speaking a text with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from dlpo_serving.engine import Stage, Unit
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import CostLines, Line
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.synthesis.job import compute_unit
from dlpo_serving.voices.synthesizer import PreparedRequest, Synthesizer

STARTUP_CHUNKS = len(STREAM_LADDER)
# A number, a word in no lexicon, a sentence longer than the small chunks, and a second sentence.
TEXT = "In 3 steps dlpo learns how long each of its graphs will take on this machine. It is ready."


def measure_costs(
    synthesizer: Synthesizer, lanes: int = 1, clock: Callable[[], float] = time.perf_counter
) -> CostLines:
    """Speak a text to warm up, then measure it once alone and once next to busy lanes.

    Args:
        synthesizer: the voice to measure.
        lanes: how many will compute concurrently.
        clock: seconds.

    Returns:
        The costs next to busy lanes, and how much higher they are than those of a lane alone. Both
        include time taken by other programs; `Costs` corrects that while the server runs.

    Raises:
        EngineError: the run-time failed.
    """
    utterance = synthesizer.read(SpeechRequest(TEXT))
    _timed(synthesizer, utterance, clock)
    alone = _timed(synthesizer, utterance, clock)
    if lanes == 1:
        return alone
    measured = threading.Event()

    def keep_busy() -> None:
        while not measured.is_set():
            job = synthesizer.job(utterance)
            while (unit := job.next_unit) and not measured.is_set():
                compute_unit(unit, [job])

    with ThreadPoolExecutor(lanes) as threads:
        others = [threads.submit(keep_busy) for _ in range(lanes - 1)]
        try:
            crowded = _timed(synthesizer, utterance, clock)
        finally:
            measured.set()
        for other in others:
            other.result()
    contention = crowded.audio_second_s / alone.audio_second_s
    return replace(crowded, contention=min(max(contention, 1.0), lanes))


def _timed(
    synthesizer: Synthesizer, utterance: PreparedRequest, clock: Callable[[], float]
) -> CostLines:
    measured: list[tuple[Unit, float]] = []
    after_chunks: list[tuple[float, float]] = []
    audio_s = spent_s = 0.0
    job = synthesizer.job(utterance)
    while unit := job.next_unit:
        start = clock()
        chunks = compute_unit(unit, [job])
        measured.append((unit, clock() - start))
        spent_s += measured[-1][1]
        for chunk in chunks:
            audio_s += chunk.duration_s
            after_chunks.append((audio_s, spent_s))
    manifest = synthesizer.manifest
    return CostLines(
        encode=_line("encode", measured),
        frames=_line("frames", measured),
        denoise=_line("denoise", measured),
        steps=utterance.steps,
        startup=tuple(after_chunks[:STARTUP_CHUNKS]),
        audio_second_s=spent_s / audio_s,
        frames_per_second=manifest.grid.frames_per_s,
    )


def _line(stage: Stage, measured: Sequence[tuple[Unit, float]]) -> Line:
    """The least-squares line through the times of one stage; its slope is never negative."""
    points = [(unit.size, seconds) for unit, seconds in measured if unit.stage == stage]
    sizes, seconds = np.array(points).T
    spread = sizes - sizes.mean()
    slope = max(float(spread @ seconds / max(spread @ spread, 1.0)), 0.0)
    return Line(max(float(seconds.mean() - slope * sizes.mean()), 0.0), slope)
