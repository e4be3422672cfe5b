"""How a voice divides time: its sample rate, and the samples of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

END_S = 0.0544  # least length of a sentence's final mark: its last phoneme fades out
SOURCE_SHARE = 0.95  # of the band that harmonics may fill


@dataclass(frozen=True)
class FrameGrid:
    """How a voice divides time."""

    sample_rate_hz: int = 22_050
    hop_length: int = 300
    """samples a frame"""
    taper_hz: float = field(default=0.0, compare=False)  # data don't have it
    """where the harmonics of a source begin to fade, linearly to none at its ceiling; at 0 they
    don't, and only the first 50 sound"""

    @cached_property
    def frames_per_s(self) -> float:
        """Frames a second."""
        return self.sample_rate_hz / self.hop_length

    @cached_property
    def end_frames(self) -> int:
        """Least length of a sentence's final mark."""
        return round(END_S * self.frames_per_s)

    @cached_property
    def source_ceiling_hz(self) -> float:
        """The highest harmonic of a source."""
        return SOURCE_SHARE * self.sample_rate_hz / 2

    def __str__(self) -> str:
        return f"{self.sample_rate_hz} Hz in frames of {self.hop_length} samples"


PUBLISHED_GRID = FrameGrid()
"""WaveGrad 2's, and that of the voices of version 1.0: 73.5 frames a second"""
