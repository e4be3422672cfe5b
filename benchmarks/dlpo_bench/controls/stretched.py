"""Recordings at another speed or pitch, by WORLD: how well a listener can do there at best.

A recogniser that was trained on ordinary speech understands fast, slow, high and low speech less
well, whoever speaks. The speaker's own recordings, changed by a plain vocoder, show how much less.

Reference: Morise, Yokomori and Ozawa, WORLD: A Vocoder-Based High-Quality Speech Synthesis System
for Real-Time Applications, 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlpo.errors import MissingExtraError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.controls.settings import NEUTRAL, Setting
from dlpo_bench.signal_measures import F0_RANGE_HZ
from dlpo_bench.systems import System, recordings

FRAME_MS = 5.0


class Stretched:
    """The recordings of some clips; each is analysed once and kept."""

    def __init__(self) -> None:
        """Raises MissingExtraError where pyworld is not installed."""
        try:
            import pyworld
        except ImportError as error:
            raise MissingExtraError("pyworld", "bench") from error
        self._world: Any = pyworld
        self._parts: dict[str, tuple[Any, Any, Any]] = {}  # clip -> F0, envelope, aperiodicity

    def at(self, setting: Setting) -> System:
        """The recordings at a setting; the neutral ones are untouched."""
        return recordings if setting == NEUTRAL else self._changed(setting)

    def _changed(self, setting: Setting) -> Callable[[Clip], Waveform]:
        def system(clip: Clip) -> Waveform:
            if clip.clip_id not in self._parts:
                self._parts[clip.clip_id] = self._analysed(recordings(clip))
            f0, envelope, aperiodicity = self._parts[clip.clip_id]
            made = self._world.synthesize(
                f0 * 2 ** (setting.pitch_semitones / 12),
                envelope,
                aperiodicity,
                SAMPLE_RATE,
                FRAME_MS / setting.speed,
            )
            return np.asarray(np.clip(made, -1, 1), np.float32)

        return system

    def _analysed(self, waveform: Waveform) -> tuple[Any, Any, Any]:
        floor, ceiling = F0_RANGE_HZ
        samples = waveform.astype(np.float64)
        coarse, times = self._world.dio(
            samples, SAMPLE_RATE, f0_floor=floor, f0_ceil=ceiling, frame_period=FRAME_MS
        )
        f0 = self._world.stonemask(samples, coarse, times, SAMPLE_RATE)
        envelope = self._world.cheaptrick(samples, f0, times, SAMPLE_RATE)
        return f0, envelope, self._world.d4c(samples, f0, times, SAMPLE_RATE)
