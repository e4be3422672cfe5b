"""Earliest playback deadline first, with a lane kept free for newcomers and admission control.

Reference: Liu and Layland 1973, section 7, for the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, inf
from operator import itemgetter

from dlpo_serving.engine import Unit
from dlpo_serving.errors import CallRejectedError, DeadlineError, OverloadError, PeerShareError
from dlpo_serving.scheduling.stream import FIRST_CHUNK_S, AdmissionPolicy, Stream

OPENING_S = 2.0  # of audio: a call without text is admitted as if this were its first sentence
MIN_RETRY_S, MAX_RETRY_S = 0.1, 10.0  # sooner, the server is still full; later, capacity is idle
LOAD_MEMORY_S = 15.0  # the lanes' work is averaged over this; load peaks decay over twice as long


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams whose next units are equal, to be computed in one call."""

    unit: Unit
    streams: tuple[Stream, ...]
    began_s: float


class Scheduler:
    """Makes the decisions, without a clock, thread or engine. Call it from one thread at a time."""

    def __init__(self, policy: AdmissionPolicy, lanes: int) -> None:
        """`lanes` batches are computed concurrently."""
        self.policy = policy
        self._lanes = lanes
        self.streams: list[Stream] = []
        """streams admitted and not removed"""
        self._held: Counter[str] = Counter()  # of them, by peer
        self._peak = 0.0  # load at admission tests
        self._peak_s = 0.0  # when it was seen
        self._work = 0.0  # decaying sum of lane seconds
        self._work_s = 0.0  # its last update
        self.busy_lanes = 0
        """lanes that are computing"""

    def admit(self, stream: Stream, now: float) -> Stream | None:
        """Admit a stream, or raise the reason why not.

        Returns:
            An idle stream that lost its slot to this one, if all slots were taken.

        Raises:
            OverloadError: other streams would suffer, or its first audio would come too late.
            DeadlineError: its caller would have given up before the first audio.
        """
        displaced = self._displaced_by(stream, now)
        opening_s = OPENING_S if stream.is_unstarted else 0.0
        stream.reserved_s += opening_s
        try:
            self._check_fit(stream, now)
        finally:
            stream.reserved_s -= opening_s
        if displaced:
            self.remove(displaced)
        stream.idle_since_s = now
        self.streams.append(stream)
        self._held[stream.peer] += 1
        return displaced

    def extend(self, stream: Stream, audio_s: float, now: float) -> None:
        """Reserve capacity for further text of a stream, predicted to last `audio_s`;
        `Stream.add_text` uses up the reservation.

        Raises:
            OverloadError, DeadlineError: as for a new call; nothing is reserved.
        """
        stream.reserved_s += audio_s
        if stream.keeps_share(now):
            return
        try:
            self._check_fit(stream, now)
        except CallRejectedError:
            stream.reserved_s -= audio_s
            raise

    def remove(self, stream: Stream) -> None:
        """Remove a stream, finished or not; its slot is freed immediately."""
        if stream in self.streams:
            self.streams.remove(stream)
            self._held -= Counter([stream.peer])

    def next_batch(self, now: float) -> Batch | None:
        """What a free lane should compute; None if nothing, or if it should stay free."""
        # Streams that are already late tie; those that arrived first are served first.
        ready = [
            (max(stream.due_s(now, self.policy.first_audio_s), now), stream.arrived_s, unit, stream)
            for stream in self.streams
            if (unit := self._ready_unit(stream))
        ]
        if not ready:
            return None
        ready.sort(key=itemgetter(0, 1))
        _, _, unit, first = ready[0]
        keeps_one = self._lanes > 1 and self.busy_lanes == self._lanes - 1
        if keeps_one and first.ahead_s(now) > self.policy.lead_s:
            return None
        equal = [stream for _, _, other, stream in ready if other == unit]
        limit = first.max_batch if unit.stage == "denoise" else 1
        batch = Batch(unit, tuple(equal[:limit]), now)
        for stream in batch.streams:
            stream.running = True
        self.busy_lanes += 1
        return batch

    def has_ready(self) -> bool:
        """Whether some stream has a unit that no lane is computing."""
        return any(map(self._ready_unit, self.streams))

    def is_held(self, stream: Stream) -> bool:
        """Whether a stream's unread audio is why it is not computed, or not yet urgent."""
        return stream.untaken_s > min(self.policy.lead_s, self.policy.max_untaken_s)

    def next_urgency_s(self) -> float:
        """When to call `next_batch` again even if nothing has happened; inf for never.

        That is when the first of the streams far ahead of their listeners no longer is.
        """
        urgency_s, lead_s = inf, self.policy.lead_s
        for stream in self.streams:
            if stream.started_s is None or stream.untaken_s > lead_s:
                continue
            if self._ready_unit(stream):
                urgency_s = min(urgency_s, stream.started_s + stream.made_s - lead_s)
        return urgency_s

    def finished(self, batch: Batch, now: float, audio_s: Sequence[float]) -> None:
        """Account for a batch that a lane has computed; the lane is free again.

        Args:
            batch: from `next_batch`.
            now: the time.
            audio_s: seconds of audio that the batch made for each of its streams.
        """
        self.busy_lanes -= 1
        first, share = batch.streams[0], 1.0
        if batch.unit.stage == "denoise":
            share = len(batch.streams) / first.max_batch
        if first.ahead_s(now) < LOAD_MEMORY_S:  # a book made far ahead could have waited
            self._work *= exp((self._work_s - now) / LOAD_MEMORY_S)
            self._work += share * (now - batch.began_s)
            self._work_s = now
        for stream, made_s in zip(batch.streams, audio_s, strict=True):
            stream.running = False
            if made_s:
                stream.made(made_s, now)

    def backlog_s(self) -> float:
        """Predicted seconds of audio still to be made."""
        return sum(stream.left_s for stream in self.streams)

    def waiting(self) -> int:
        """How many streams have no audio yet."""
        return sum(stream.started_s is None for stream in self.streams)

    def load_ratio(self, now: float) -> float:
        """Admitted cost / capacity, from 0 to 1; calls are refused at 1.

        It is the highest of four ratios: recent lane time (a batch with room for more counts in
        part) and the streams' need, both / the capacity that may be promised; streams / the
        maximum; and how close a recent call came to being refused.
        """
        used = self._work * exp((self._work_s - now) / LOAD_MEMORY_S) / LOAD_MEMORY_S
        needed = sum(self._need(stream, now) for stream in self.streams)
        promised = self.policy.utilisation * self._lanes
        streams = len(self.streams) / self.policy.max_streams
        return min(max(used / promised, needed / promised, streams, self._recent_peak(now)), 1.0)

    def _recent_peak(self, now: float) -> float:
        return self._peak - (now - self._peak_s) / (2 * LOAD_MEMORY_S)

    def _ready_unit(self, stream: Stream) -> Unit | None:
        if stream.running or stream.work is None:
            return None
        if stream.untaken_s > self.policy.max_untaken_s:
            return None
        return stream.work.next_unit

    def _displaced_by(self, stream: Stream, now: float) -> Stream | None:
        """The idle stream whose slot a new one may take; None if slots are left.

        Streams that have not started go first, then those of the peer with the most streams, then
        the one idle for longest. A newcomer without text displaces only streams of peers that have
        more of them than its own peer.
        """
        held = self._held
        most = ceil(self.policy.peer_share * self.policy.max_streams)
        if stream.peer and most <= held[stream.peer] < self.policy.max_streams:
            raise PeerShareError(
                f"this caller has {held[stream.peer]} streams, and one may have {most} of"
                f" {self.policy.max_streams}; end one, or try again later",
                self._retry_after_s(now, 0.0),
            )
        if len(self.streams) < self.policy.max_streams:
            return None
        least = held[stream.peer] + 1 if stream.is_unstarted else 0
        idle = [other for other in self.streams if other.is_idle and held[other.peer] > least]
        if not idle:
            raise OverloadError(
                f"all {self.policy.max_streams} streams are taken", self._retry_after_s(now, 0.0)
            )
        return min(
            idle,
            key=lambda other: (not other.is_unstarted, -held[other.peer], other.idle_since_s),
        )

    def _check_fit(self, stream: Stream, now: float) -> None:
        """Raise unless the text of a stream, including reservations, can be spoken in time."""
        needs: dict[Stream, float] = {}
        for other in self.streams:
            if other is not stream and (need := self._need(other, now)):
                needs[other] = need
        first_s = sum(other.work_due_s(now, FIRST_CHUNK_S) for other in needs) / self._lanes
        first_s += stream.work_due_s(now, FIRST_CHUNK_S)
        if len(needs) >= self._lanes:  # otherwise it gets a lane to itself
            load = 1.0
            try:
                load = self._check_load(stream, needs, first_s, now)
            except PeerShareError:
                load = 0.0  # there is room for others
                raise
            finally:
                if load >= self._recent_peak(now):
                    self._peak = load
                    self._peak_s = now
        if now + first_s + (stream.work_left_s() if stream.slack_s else 0.0) > stream.ends_s:
            raise DeadlineError(
                f"deadline too short: first audio cannot be ready in {stream.ends_s - now:.3f} s"
            )

    def _check_load(
        self, stream: Stream, needs: Mapping[Stream, float], first_s: float, now: float
    ) -> float:
        """Raise OverloadError unless all streams, including this one, can be served in time.

        Returns the highest ratio of demand to limit over all tests, at most 1. Reference: the
        demand bound of Baruah et al. 1990, at infinity and after each of the small first chunks.

        Args:
            needs: lane shares of the other streams that need one.
            first_s: predicted seconds until the first audio of `stream`.
        """
        share = self.policy.utilisation * self._lanes
        need, taken = self._need(stream, now), sum(needs.values())
        if taken + need > share:
            raise OverloadError(
                f"{len(needs)} streams need {taken / share:.0%} of what this server may"
                " promise; try again later, or another server",
                self._retry_after_s(now, share - need),
            )
        load = max((taken + need) / share, first_s / self.policy.max_first_audio_s)
        share *= self.policy.peer_share
        own = sum(need for other, need in needs.items() if other.peer == stream.peer)
        if stream.peer and own and own + need > share:
            raise PeerShareError(
                f"this caller's streams need {own / share:.0%} of what one may have; end one, or"
                " try again later",
                self._retry_after_s(now, share - need),
            )
        if first_s > self.policy.max_first_audio_s:
            raise OverloadError(
                f"the first sound would come after {first_s:.2f} s; try again later",
                max(first_s - self.policy.max_first_audio_s, MIN_RETRY_S),
            )
        share = self.policy.burst_utilisation * self._lanes
        for chunks_s, _ in stream.costs.lines.startup:
            within_s = chunks_s + FIRST_CHUNK_S  # every stream started by now wants one more chunk
            due_s = sum(one.work_due_s(now, within_s) for one in (stream, *needs))
            if due_s > share * within_s:
                raise OverloadError(
                    f"too many calls begin at once: they need {due_s / share:.2f} s of work in the"
                    f" next {within_s:.2f} s; try again later",
                    max(due_s / share - within_s, MIN_RETRY_S),
                )
            load = max(load, due_s / (share * within_s))
        return load

    def _need(self, stream: Stream, now: float) -> float:
        """Share of a lane; 0 while the stream is paused because its caller takes no audio."""
        if stream.untaken_s > self.policy.max_untaken_s:
            return 0.0
        return stream.need(now, self.policy.reserve_s)

    def _retry_after_s(self, now: float, need_limit: float) -> float:
        """Seconds until enough streams have ended that the rest need at most `need_limit`."""
        ends = sorted(
            (max(s.ahead_s(now), 0.0) + s.left_s, self._need(s, now)) for s in self.streams
        )
        rest = sum(need for _, need in ends)
        for end_s, need in ends:
            rest -= need
            if rest <= need_limit:
                return min(max(end_s, MIN_RETRY_S), MAX_RETRY_S)
        return MAX_RETRY_S
