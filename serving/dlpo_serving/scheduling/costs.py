"""How long the next unit will take, and a whole text: measured, never assumed."""

from __future__ import annotations

from dataclasses import dataclass

from dlpo_serving.scheduling.unit import Unit

_MEMORY = 0.05  # weight of a new measurement in a running mean
FRAMES_PER_CHARACTER = 5.0  # at 73.5 frames a second: 15 characters a second


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


class Costs:
    """Predicts from lines measured at warm-up and from what was seen since.

    A machine that others share is slower than at warm-up: `slowdown` follows it.
    """

    def __init__(self, lines: CostLines) -> None:
        self.lines = lines
        self.slowdown = 1.0
        """measured seconds of a unit / those of the line, running mean"""
        self.frames_per_character = FRAMES_PER_CHARACTER
        """at speed 1, running mean"""

    def unit_s(self, unit: Unit, batch: int = 1) -> float:
        """Predicted seconds of a batch of equal units."""
        return self.slowdown * self._line_s(unit, batch)

    def audio_s(self, characters: int, speed: float) -> float:
        """Predicted length of a text when spoken."""
        return characters * self.frames_per_character / speed / self.lines.frames_per_second

    def work_s(self, audio_s: float, made_s: float, steps: int) -> float:
        """Predicted seconds to take a stream from `made_s` seconds of audio to `audio_s`."""
        seconds = self._spent_s(audio_s) - self._spent_s(made_s)
        return self.slowdown * max(seconds, 0.0) * steps / self.lines.steps

    def rate(self, steps: int) -> float:
        """Predicted seconds to compute a second of audio of a stream that goes on."""
        return self.slowdown * self.lines.audio_second_s * steps / self.lines.steps

    def saw_unit(self, unit: Unit, batch: int, seconds: float) -> None:
        """Learn from a batch that took so long while all lanes were busy."""
        self.slowdown += _MEMORY * (seconds / self._line_s(unit, batch) - self.slowdown)

    def saw_text(self, characters: int, audio_s: float, speed: float) -> None:
        """Learn from a text that was spoken to its end."""
        frames = audio_s * speed * self.lines.frames_per_second
        self.frames_per_character += _MEMORY * (frames / characters - self.frames_per_character)

    def _spent_s(self, audio_s: float) -> float:
        """What the begin of a stream costs, in whole chunks as long as these are small."""
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
