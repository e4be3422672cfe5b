"""A call as the scheduler sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from dlpo_serving.scheduling.costs import Costs, Unit


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """All times in seconds; see docs/scheduling.md for how each was chosen."""

    first_audio_s: float = 0.05
    """the deadline of a stream's first chunk after its arrival"""
    max_first_audio_s: float = 0.25
    """a call whose first sound is predicted later than that is refused"""
    utilisation: float = 0.72
    """share of the lanes that admitted streams may need to play without a gap"""
    lead_s: float = 1.0
    """a stream that is further ahead of its listener leaves one lane to newcomers"""
    burst_utilisation: float = 0.6
    """the same of the next seconds, where many begin at once: a chunk may wait for a longer one"""
    reserve_s: float = 2.0
    """audio that each stream is meant to have in store when the server is full"""
    max_untaken_s: float = 30.0
    """audio that waits for its caller; a stream that has so much of it is not computed on"""
    unary_slack_s: float = 2.0
    """how much later than a streamed one a unary call may be computed"""
    max_streams: int = 500
    """calls at the same time, whatever they cost"""
    peer_share: float = 0.9
    """share of streams and lanes that one key, or without keys one connection, may have"""


class Work(Protocol):
    """An utterance as the scheduler sees it; `dlpo_serving.synthesis.job.SynthesisJob` is one."""

    @property
    def next_unit(self) -> Unit | None:
        """What has to be computed next; None while more text is awaited, and at the end."""
        ...

    @property
    def done(self) -> bool:
        """There is nothing to compute and never will be."""
        ...


FIRST_CHUNK_S = 0.1  # of audio: a first chunk, and what counts as nothing


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
    peer: str = ""
    """the caller's key, or the connection: a single peer gets only a share of the server"""
    more_text: bool = False
    """the text comes in pieces, and has not ended"""
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
    reserved_s: float = 0.0
    """predicted audio of text that was admitted and is being read"""
    waiting_s: float = 0.0
    """predicted audio of text that does not fit yet"""
    idle_since_s: float = 0.0
    """when it was admitted, or last made audio"""

    @property
    def has_unit(self) -> bool:
        """There is something to compute, now or after the unit that is running."""
        return self.running or (self.work is not None and self.work.next_unit is not None)

    @property
    def is_idle(self) -> bool:
        """Everything is spoken and taken, and it waits for its writer."""
        pending = self.has_unit or self.waiting_s or self.left_s
        return self.more_text and not pending and self.untaken_s < FIRST_CHUNK_S

    @property
    def is_unstarted(self) -> bool:
        """It waits for its first text."""
        return self.is_idle and not self.made_s

    @property
    def left_s(self) -> float:
        """Predicted seconds of audio still to be made."""
        return max(self.expected_audio_s - self.made_s, 0.0) + self.reserved_s

    def due_s(self, now: float, first_audio_s: float) -> float:
        """When its next chunk is due, if the first may take `first_audio_s`."""
        playing = self.started_s is not None
        due = now + self.ahead_s(now) if playing else self.arrived_s + first_audio_s
        return min(due + self.slack_s, self.ends_s)

    def ahead_s(self, now: float) -> float:
        """Seconds of audio that were made and not played yet; below 0 if playback has run dry."""
        if self.started_s is None:
            return 0.0
        played_until = self.started_s + self.made_s - now
        return max(played_until, self.untaken_s) if self.untaken_s else played_until

    def keeps_share(self, now: float) -> bool:
        """It is being played, and more text is to come."""
        return self.more_text and self.ahead_s(now) > 0

    def made(self, audio_s: float, now: float) -> None:
        """Account for a chunk. One that comes late delays the playback of all that follow."""
        begins_s = now - self.made_s
        self.started_s = begins_s if self.started_s is None else max(self.started_s, begins_s)
        self.idle_since_s = now
        self.made_s += audio_s
        self.untaken_s += audio_s
        if self.has_unit:
            self.expected_audio_s = max(self.expected_audio_s, self.made_s + FIRST_CHUNK_S)
        elif self.more_text:
            self.expected_audio_s = self.made_s

    def add_text(self, audio_s: float, now: float) -> None:
        """Account for sentences that were read, predicted to last `audio_s`."""
        if not self.has_unit and self.ahead_s(now) <= 0:  # playback is over: a first chunk again
            self.arrived_s = self.ready_s = now
            self.started_s = None
        self.reserved_s = 0.0
        self.expected_audio_s += audio_s

    def work_left_s(self) -> float:
        """Predicted compute seconds that it still needs."""
        return self.costs.work_s(self.made_s + self.left_s, self.made_s, self.steps)

    def work_due_s(self, now: float, within_s: float) -> float:
        """The part of it for the audio that is played within so many seconds."""
        wanted_s = min(within_s - max(self.ahead_s(now), 0.0), self.left_s)
        return self.costs.work_s(self.made_s + wanted_s, self.made_s, self.steps)

    def need(self, now: float, reserve_s: float) -> float:
        """The share of one lane that it needs from now on to play without a gap.

        Audio in store counts only beyond `reserve_s`: a stream that lives on its reserve has none
        left when a newcomer comes. A stream that plays and has more text to come keeps all of its
        share, so that the text finds room.
        """
        if self.keeps_share(now):
            return self.costs.rate(self.steps)
        if not self.left_s:
            return 0.0
        spare_s = max(self.ahead_s(now) - reserve_s, 0.0)
        return self.costs.rate(self.steps) * self.left_s / (self.left_s + spare_s)
