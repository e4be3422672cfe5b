"""What is scheduled: one call of one graph, after which another stream may have its turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Stage = Literal["encode", "frames", "denoise"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of a graph; units that are equal can be computed as one batch."""

    stage: Stage
    size: int
    """symbols to encode, else frames of the window"""
    steps: int
    """reverse steps, N"""
    voice: str
    """its engine computes the unit"""


class Work(Protocol):
    """An utterance as the scheduler sees it; `dlpo_serving.rendering.Rendering` is one."""

    @property
    def next_unit(self) -> Unit | None:
        """What has to be computed next; None while more text is awaited, and at the end."""
        ...

    @property
    def done(self) -> bool:
        """There is nothing to compute and never will be."""
        ...
