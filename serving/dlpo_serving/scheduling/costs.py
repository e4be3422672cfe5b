"""Predicted compute time of units and texts: measured at warm-up, corrected by every unit since."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp
from typing import Literal

_MEMORY = 0.05  # weight of a new text in a running mean
MEMORY_S = 1.0  # of compute time, over which the speed of the machine is averaged
WARM_UP_S = 0.25  # of it, that warm-up counts for
OUTLIER = 16.0  # a unit counts for at most so many times its prediction: it may have been paused
FRAMES_PER_CHARACTER = 5.0  # at 73.5 frames a second: 15 characters a second


Stage = Literal["encode", "frames", "denoise"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of a graph; units that are equal can be computed as one batch."""

    stage: Stage
    size: int
    """symbols to encode, else frames of the window"""
    steps: int
    """reverse steps, N"""
    graphs: object = field(repr=False)
    """`Engine.graphs` of the voice: two bundles may have the same name for a while"""


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds of a unit as a line over its size."""

    fixed_s: float
    per_item_s: float

    def at(self, size: float) -> float:
        """Seconds of a unit of this size."""
        return self.fixed_s + self.per_item_s * size


@dataclass(frozen=True, slots=True)
class CostLines:
    """What the stages of a voice cost on this machine, as `measure_costs` found it."""

    encode: Line
    """over the symbols of a sentence"""
    frames: Line
    """over the frames of a block with its context"""
    denoise: Line
    """over the frames of a window with its context, at `steps`"""
    steps: int
    """reverse steps for which `denoise` was measured"""
    startup: tuple[tuple[float, float], ...]
    """of a text of ordinary length, after each of its first chunks: the seconds of audio made, and
    the seconds that it took, all stages"""
    audio_second_s: float
    """seconds to compute a second of audio later on, all stages"""
    frames_per_second: float
    """frames in a second of audio"""
    contention: float = 1.0
    """time of a unit while all lanes are busy / while the others are idle, at least 1"""


class _SpeedRatio:
    """Measured seconds / seconds of the warm-up lines, averaged over the last `MEMORY_S`."""

    def __init__(self, ratio: float) -> None:
        self._line_s = WARM_UP_S
        self.ratio = ratio

    def observe(self, line_s: float, measured_s: float) -> None:
        """Add a unit that took `measured_s` where its line says `line_s`.

        What came before fades with the longer of its predicted and its measured time, so that a
        prediction which is too high is corrected as soon as one which is too low.
        """
        expected_s = self.ratio * line_s
        measured_s = min(measured_s, OUTLIER * expected_s)
        fade = exp(-max(measured_s, expected_s) / MEMORY_S)
        total_s = fade * self.ratio * self._line_s + measured_s
        self._line_s = fade * self._line_s + line_s
        self.ratio = total_s / self._line_s


class Costs:
    """Predicts compute times from the lines of warm-up and from every unit since.

    A unit takes longer while all lanes are busy. Both speeds are followed: units beside idle lanes
    move both, so that a wrong start is corrected on a machine that is never busy; units beside busy
    lanes set the distance between the two.
    """

    def __init__(self, lines: CostLines) -> None:
        self.lines = lines
        self._crowded = _SpeedRatio(1.0)
        self._alone = _SpeedRatio(1.0 / lines.contention)
        self.frames_per_character = FRAMES_PER_CHARACTER
        """at speed 1, running mean"""

    @property
    def slowdown(self) -> float:
        """Seconds of a unit while all lanes are busy / those of its line."""
        return self._crowded.ratio

    def unit_s(self, unit: Unit, batch: int = 1) -> float:
        """Predicted seconds of a batch of equal units while all lanes are busy."""
        return self.slowdown * self._line_s(unit, batch)

    def audio_s(self, characters: int, speed: float) -> float:
        """Predicted seconds of audio of a text."""
        return characters * self.frames_per_character / speed / self.lines.frames_per_second

    def work_s(self, audio_s: float, made_s: float, steps: int) -> float:
        """Predicted compute seconds from `made_s` seconds of audio of a stream to `audio_s`."""
        seconds = self._spent_s(audio_s) - self._spent_s(made_s)
        return self._crowded.ratio * max(seconds, 0.0) * steps / self.lines.steps

    def rate(self, steps: int) -> float:
        """Predicted compute seconds for a second of audio, after the first chunks."""
        return self.slowdown * self.lines.audio_second_s * steps / self.lines.steps

    def observe_unit(
        self, unit: Unit, batch: int, seconds: float, busy_lanes: int, lanes: int
    ) -> None:
        """Learn from a batch.

        Args:
            unit, batch: what was computed, and of how many streams.
            seconds: that it took.
            busy_lanes: lanes that computed when it began, itself included.
            lanes: of the server.
        """
        line_s = self._line_s(unit, batch)
        if 2 * busy_lanes > lanes:
            self._crowded.observe(line_s, seconds)
            fastest, slowest = self._crowded.ratio / lanes, self._crowded.ratio
            self._alone.ratio = min(max(self._alone.ratio, fastest), slowest)
        else:
            before = self._alone.ratio
            self._alone.observe(line_s, seconds)
            self._crowded.ratio *= self._alone.ratio / before

    def observe_text(self, characters: int, audio_s: float, speed: float) -> None:
        """Learn the pace from a text that was spoken to its end."""
        frames = audio_s * speed * self.lines.frames_per_second
        self.frames_per_character += _MEMORY * (frames / characters - self.frames_per_character)

    def _spent_s(self, audio_s: float) -> float:
        """Line seconds of a stream up to `audio_s`; the small first chunks count whole."""
        if audio_s <= 0:
            return 0.0
        for made_s, spent_s in self.lines.startup:
            if audio_s <= made_s:
                return spent_s
        return spent_s + (audio_s - made_s) * self.lines.audio_second_s

    def _line_s(self, unit: Unit, batch: int) -> float:
        match unit.stage:
            case "encode":
                return self.lines.encode.at(unit.size)
            case "frames":
                return self.lines.frames.at(unit.size)
            case "denoise":
                return self.lines.denoise.at(batch * unit.size) * unit.steps / self.lines.steps
