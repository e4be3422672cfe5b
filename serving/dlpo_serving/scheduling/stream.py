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
        left = max(self.expected_audio_s - self.made_s, 0.0)
        return self.costs.work_s(left, self.steps)

    def need(self, now: float) -> float:
        """The share of one lane that it needs from now on to play without a gap."""
        work_s = self.work_left_s()
        if not work_s:
            return 0.0
        left_s = self.expected_audio_s - self.made_s
        return work_s / (left_s + max(self.ahead_s(now), 0.0))
