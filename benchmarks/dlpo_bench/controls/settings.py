"""What is turned, and how far."""

from __future__ import annotations

from dataclasses import dataclass

SPEEDS = (0.5, 0.75, 1.5, 2.0)
PITCHES = (-6.0, -3.0, 3.0, 6.0)  # semitones


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of both controls."""

    speed: float = 1.0
    """factor of the voice's own pace"""
    pitch_semitones: float = 0.0

    @property
    def name(self) -> str:
        """How tables call it, such as "speed 0.5" or "pitch +6"."""
        parts = [f"speed {self.speed:g}"] if self.speed != 1 else []
        parts += [f"pitch {self.pitch_semitones:+g}"] if self.pitch_semitones else []
        return " ".join(parts) or NEUTRAL_NAME


NEUTRAL_NAME = "neutral"
NEUTRAL = Setting()


def one_at_a_time() -> list[Setting]:
    """Neutral first, then each speed, then each pitch."""
    return [
        NEUTRAL,
        *(Setting(speed=speed) for speed in SPEEDS),
        *(Setting(pitch_semitones=pitch) for pitch in PITCHES),
    ]
