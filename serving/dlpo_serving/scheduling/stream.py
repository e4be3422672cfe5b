"""A call as the scheduler keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from dlpo_serving.scheduling.costs import Costs
from dlpo_serving.scheduling.unit import Work


@dataclass(slots=True, eq=False)
class Stream:
    """One call, from its admission to its last chunk. Times are those of the scheduler's clock."""

    costs: Costs
    """of its voice"""
    steps: int
    """reverse steps, N"""
    arrived_s: float
    expected_audio_s: float
    """predicted length of the whole audio; grows where the text does"""
    max_batch: int = 1
    """how many streams its engine denoises at once"""
    slack_s: float = 0.0
    """how much later than it would be played each chunk may come"""
    ends_s: float = inf
    """when the caller gives up"""
    work: Work | None = None
    """what is to be computed; None while the text is being read"""
    ready_s: float = 0.0
    """when its text had been read"""
    started_s: float | None = None
    """when the first chunk was made"""
    made_s: float = 0.0
    """seconds of audio made"""
    untaken_s: float = 0.0
    """seconds of audio made that the caller has not taken"""
    running: bool = field(default=False, init=False)
    """a lane computes a unit of it now"""

    def deadline_s(self, first_audio_s: float) -> float:
        """When its next chunk has to be there, given that the first may take `first_audio_s`."""
        if self.started_s is None:
            due = self.arrived_s + first_audio_s
        else:
            due = self.started_s + self.made_s
        return min(due + self.slack_s, self.ends_s)

    def ahead_s(self, now: float) -> float:
        """How much audio its listener has not heard yet."""
        return 0.0 if self.started_s is None else self.started_s + self.made_s - now

    def work_left_s(self) -> float:
        """Predicted seconds that a lane still needs for it."""
        return self.costs.work_s(self.expected_audio_s, self.made_s, self.steps)

    def work_due_s(self, now: float, within_s: float) -> float:
        """The part of it that makes what its listener hears within so many seconds."""
        heard_s = self.made_s + within_s - max(self.ahead_s(now), 0.0)
        return self.costs.work_s(min(heard_s, self.expected_audio_s), self.made_s, self.steps)

    def need(self, now: float, reserve_s: float) -> float:
        """The share of one lane that it needs from now on to play without a gap.

        What it is ahead of its listener counts only beyond `reserve_s`: who lives on the reserve
        has none when a newcomer comes.
        """
        left_s = max(self.expected_audio_s - self.made_s, 0.0)
        if not left_s:
            return 0.0
        spare_s = max(self.ahead_s(now) - reserve_s, 0.0)
        return self.costs.rate(self.steps) * left_s / (left_s + spare_s)
