"""Warm-up: every graph runs before the first caller comes, and what it costs is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from dlpo_serving.chunks import STREAM_LADDER
from dlpo_serving.rendering import compute_unit
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling import CostLines, Line, Stage, Unit
from dlpo_serving.synthesizer import Synthesizer

STARTUP_CHUNKS = len(STREAM_LADDER)
# A number and a word that is in no lexicon; a sentence longer than the small chunks, and another.
TEXT = (
    "This voice learns in 3 steps how long each of its graphs takes on this machine, and what dlpo"
    " may promise to the callers who are about to come. Then it is ready."
)


def measure_costs(
    synthesizer: Synthesizer, clock: Callable[[], float] = time.perf_counter
) -> CostLines:
    """Speak a text twice, and measure the second time.

    Raises:
        EngineError: the run-time failed.
    """
    utterance = synthesizer.read(SpeechRequest(TEXT))
    for _ in range(2):
        measured: list[tuple[Unit, float]] = []
        audio_s = spent_s = 0.0
        after_chunks: list[tuple[float, float]] = []
        rendering = synthesizer.render(utterance)
        while unit := rendering.next_unit:
            start = clock()
            chunks = compute_unit(unit, [rendering])
            measured.append((unit, clock() - start))
            spent_s += measured[-1][1]
            for chunk in chunks:
                audio_s += chunk.duration_s
                after_chunks.append((audio_s, spent_s))
    manifest = synthesizer.manifest
    frames_per_second = manifest.sample_rate_hz / manifest.hop_length
    return CostLines(
        encode=_line("encode", measured),
        frames=_line("frames", measured),
        denoise=_line("denoise", measured),
        steps=utterance.steps,
        startup=tuple(after_chunks[:STARTUP_CHUNKS]),
        audio_second_s=spent_s / audio_s,
        frames_per_second=frames_per_second,
    )


def _line(stage: Stage, measured: Sequence[tuple[Unit, float]]) -> Line:
    """The line through what one stage took, by least squares; it does not fall."""
    points = [(unit.size, seconds) for unit, seconds in measured if unit.stage == stage]
    sizes, seconds = np.array(points).T
    spread = sizes - sizes.mean()
    slope = max(float(spread @ seconds / max(spread @ spread, 1.0)), 0.0)
    return Line(max(float(seconds.mean() - slope * sizes.mean()), 0.0), slope)
