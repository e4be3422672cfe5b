"""How the cost of scale is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.errors import InputError
from dlpo_serving.engines import EnginePrecision
from dlpo_serving.voices import DEFAULT_VOICE

Way = Literal["stream", "whole", "served"]
"""How a text is heard: pieces that are dropped, one array, or pieces from a server."""


@dataclass(frozen=True, slots=True)
class ScalingOptions:
    """What is spoken, how often and where."""

    voice: str = DEFAULT_VOICE
    """a name or the path of a bundle"""
    precision: EnginePrecision | None = None
    """of the denoiser, on `cpu`; None is the voice's own"""
    seconds: tuple[float, ...] = (5, 10, 20, 40, 60, 300)
    """lengths of the texts, about"""
    streams: tuple[int, ...] = (1, 2, 4, 8, 16)
    """callers at once"""
    ways: tuple[Way, ...] = ("stream", "whole", "served")
    """of hearing the texts"""
    rounds: int = 4
    """each with another of the four sentences"""
    core: int = 0
    """of the processes that speak one text; servers have all cores"""

    def __post_init__(self) -> None:
        if not self.seconds or min(self.seconds) <= 0 or len(set(self.seconds)) < 2:
            raise InputError(f"seconds are {self.seconds}; expected two lengths or more above 0")
        if self.streams and min(self.streams) < 1:
            raise InputError(f"streams are {self.streams}; expected 1 or more")
        if self.rounds < 2:
            raise InputError(f"rounds is {self.rounds}; an interval needs 2 or more")

    def server_words(self) -> list[str]:
        """Options of a server."""
        return ["--precision", self.precision] if self.precision else []
