"""Earliest playback deadline first, with a lane kept for newcomers, and an honest no when full.

Reference: Liu and Layland 1973, section 7, for the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from dlpo_serving.refusals import DeadlineError, OverloadError
from dlpo_serving.scheduling.policy import Policy
from dlpo_serving.scheduling.stream import Stream
from dlpo_serving.scheduling.unit import Unit

FIRST_CHUNK_S = 0.1  # of audio: what a first chunk, or whoever has less in store, wants at once
MIN_RETRY_S, MAX_RETRY_S = 0.1, 10.0  # a caller that is told less would come in vain, more: go


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams whose next units are equal: they are computed in one call."""

    unit: Unit
    streams: tuple[Stream, ...]


class Scheduler:
    """Decides; it has no clock, no thread and no engine. Calls come from one thread at a time."""

    def __init__(self, policy: Policy, lanes: int) -> None:
        """`lanes` batches are computed at the same time."""
        self.policy = policy
        self._lanes = lanes
        self._streams: list[Stream] = []
        self._busy_lanes = 0

    @property
    def streams(self) -> Sequence[Stream]:
        """The streams that were admitted and not removed."""
        return self._streams

    def admit(self, stream: Stream, now: float) -> None:
        """Take a stream in, or say why not.

        Raises:
            OverloadError: the others would suffer, or its first sound would come too late.
            DeadlineError: its caller would have given up before the first sound.
        """
        if len(self._streams) >= self.policy.max_streams:
            raise OverloadError(
                f"all {self.policy.max_streams} streams are taken", self._retry_after_s(now, 0.0)
            )
        first_s = self._due_s(now, FIRST_CHUNK_S) / self._lanes
        first_s += stream.work_due_s(now, FIRST_CHUNK_S)
        if self._streams:  # else it is alone, and gets what there is
            self._check_load(stream, first_s, now)
        if now + first_s + (stream.work_left_s() if stream.slack_s else 0.0) > stream.ends_s:
            raise DeadlineError(
                f"there would be no sound within the deadline, {stream.ends_s - now:.3f} s away"
            )
        self._streams.append(stream)

    def remove(self, stream: Stream) -> None:
        """Forget a stream, finished or not; its place is free at once."""
        if stream in self._streams:
            self._streams.remove(stream)

    def next_batch(self, now: float) -> Batch | None:
        """What a free lane should compute; None if there is nothing, or it is better kept free."""
        ready = [
            (stream.deadline_s(self.policy.first_audio_s), stream.arrived_s, unit, stream)
            for stream in self._streams
            if (unit := self._ready_unit(stream))
        ]
        if not ready:
            return None
        ready.sort(key=lambda entry: entry[:2])
        _, _, unit, first = ready[0]
        keeps_one = self._lanes > 1 and self._busy_lanes == self._lanes - 1
        if keeps_one and first.ahead_s(now) > self.policy.lead_s:
            return None
        equal = [stream for _, _, other, stream in ready if other == unit]
        limit = first.max_batch if unit.stage == "denoise" else 1
        batch = Batch(unit, tuple(equal[:limit]))
        for stream in batch.streams:
            stream.running = True
        self._busy_lanes += 1
        return batch

    def next_urgency_s(self) -> float:
        """When `next_batch` is to be asked again though nothing has happened; inf for never.

        It is when the first of the streams that wait far ahead of their listeners is so no longer.
        """
        waiting = (
            stream.started_s + stream.made_s - self.policy.lead_s
            for stream in self._streams
            if stream.started_s is not None and self._ready_unit(stream)
        )
        return min(waiting, default=inf)

    def finished(self, batch: Batch, now: float, audio_s: Sequence[float]) -> None:
        """A lane has computed a batch and is free again.

        Args:
            batch: from `next_batch`.
            now: the time.
            audio_s: seconds of audio that each stream of the batch has got by it.
        """
        self._busy_lanes -= 1
        for stream, made_s in zip(batch.streams, audio_s, strict=True):
            stream.running = False
            if made_s:
                stream.started_s = now if stream.started_s is None else stream.started_s
                stream.made_s += made_s
                stream.untaken_s += made_s

    def backlog_s(self) -> float:
        """Predicted seconds of audio that is still to be made."""
        return sum(max(s.expected_audio_s - s.made_s, 0.0) for s in self._streams)

    def waiting(self) -> int:
        """How many streams have not had their first sound."""
        return sum(stream.started_s is None for stream in self._streams)

    def _ready_unit(self, stream: Stream) -> Unit | None:
        if stream.running or stream.work is None:
            return None
        if stream.untaken_s > self.policy.max_untaken_s:
            return None
        return stream.work.next_unit

    def _check_load(self, stream: Stream, first_s: float, now: float) -> None:
        """Raise OverloadError unless all, and this one too, can be served in time from now on.

        Reference: the demand bound of Baruah et al. 1990, after each of the first
        chunks, which are small and dear, and at infinity.
        """
        if first_s > self.policy.max_first_audio_s:
            raise OverloadError(
                f"the first sound would come after {first_s:.2f} s; try again later",
                max(first_s - self.policy.max_first_audio_s, MIN_RETRY_S),
            )
        share = self.policy.burst_utilisation * self._lanes
        for chunks_s, _ in stream.costs.lines.startup:
            within_s = chunks_s + FIRST_CHUNK_S  # so that all who began by now want one chunk more
            due_s = self._due_s(now, within_s) + stream.work_due_s(now, within_s)
            if due_s > share * within_s:
                raise OverloadError(
                    f"many calls begin just now; those of the next {within_s:g} s take this server"
                    f" {due_s / share:.2f} s; try again later",
                    max(due_s / share - within_s, MIN_RETRY_S),
                )
        share = self.policy.utilisation * self._lanes
        need = self._need(stream, now)
        taken = sum(self._need(other, now) for other in self._streams)
        if taken + need > share:
            raise OverloadError(
                f"{len(self._streams)} streams need {taken / share:.0%} of what this server may"
                " promise; try again later, or another server",
                self._retry_after_s(now, share - need),
            )

    def _due_s(self, now: float, within_s: float) -> float:
        """Predicted work for what all listeners hear within so many seconds."""
        return sum(stream.work_due_s(now, within_s) for stream in self._streams)

    def _need(self, stream: Stream, now: float) -> float:
        return stream.need(now, self.policy.reserve_s)

    def _retry_after_s(self, now: float, need_limit: float) -> float:
        """When enough streams will have ended that the rest needs less than `need_limit`."""
        ends = sorted(
            (max(s.ahead_s(now), 0.0) + s.expected_audio_s - s.made_s, self._need(s, now))
            for s in self._streams
        )
        rest = sum(need for _, need in ends)
        for end_s, need in ends:
            rest -= need
            if rest <= need_limit:
                return min(max(end_s, MIN_RETRY_S), MAX_RETRY_S)
        return MAX_RETRY_S
