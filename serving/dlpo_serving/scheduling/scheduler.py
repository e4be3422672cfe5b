"""Earliest playback deadline first, with a lane kept free for newcomers and admission control.

A live call is promised its first audio, or refused; whole files take what live calls leave.

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
FILE_SHARE = 0.1  # of a lane, which files have however many live calls there are
LATE_S = 0.005  # later than predicted by more than this, first audio is late
LATE_SHARE = 0.005  # of first audio may be late: promises then allow for a larger ratio of the two,
LATE_STEP = 0.1  # by this


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
        self._held: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        self._running: dict[Batch, float] = {}  # and when each is predicted to end
        self._late_ratio = 1.5  # of first audio, all but a few, to what was predicted
        self._peak = 0.0  # load at admission tests
        self._peak_s = 0.0  # when it was seen
        self._work = 0.0  # decaying sum of lane seconds
        self._work_s = 0.0  # its last update
        self._files_turn_s = 0.0  # when a file may go before what comes after it

    @property
    def busy_lanes(self) -> int:
        """Lanes that are computing."""
        return len(self._running)

    @property
    def _file_lanes(self) -> int:
        """Lanes that may compute files at a time; of several, one is left to live calls."""
        return max(self._lanes - 1, 1)

    def held(self, peer: str, live: bool) -> int:
        """How many live streams, or whole files, a caller has."""
        return self._held[live][peer]

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
            first_s = self._check_fit(stream, now)
        finally:
            stream.reserved_s -= opening_s
        if displaced:
            self.remove(displaced)
        stream.idle_since_s = now
        stream.expected_s = first_s if stream.live and not stream.more_text else None
        self.streams.append(stream)
        self._held[stream.live][stream.peer] += 1
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
            self._held[stream.live] -= Counter([stream.peer])

    def next_batch(self, now: float) -> Batch | None:
        """What a free lane should compute; None if nothing, or if it should stay free."""
        # Streams that are already late tie; those that arrived first are served first.
        ready = [
            (self._due_s(stream, now), stream.arrived_s, unit, stream)
            for stream in self.streams
            if (unit := self._ready_unit(stream))
        ]
        ready.sort(key=itemgetter(0, 1))
        if self._lanes > 1 and self.busy_lanes == self._lanes - 1:  # the last lane
            lead_s = self.policy.lead_s
            ready = [one for one in ready if not one[3].live or one[3].ahead_s(now) <= lead_s]
        if not ready:
            return None
        _, _, unit, first = ready[0]
        equal = [stream for _, _, other, stream in ready if other == unit]
        limit = first.max_batch if unit.stage == "denoise" else 1
        batch = Batch(unit, tuple(equal[:limit]), now)
        for stream in batch.streams:
            stream.running = True
        self._running[batch] = now + first.costs.unit_s(unit, len(batch.streams))
        return batch

    def _due_s(self, stream: Stream, now: float) -> float:
        """When its next chunk is due, at the earliest now. Files are due after what live listeners
        will have heard by `reserve_s` from now, but for the share of time that they always have."""
        due_s = max(stream.due_s(now, self.policy.early_chunks), now)
        return due_s if stream.live or now >= self._files_turn_s else due_s + self.policy.reserve_s

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
            if not stream.live or stream.started_s is None or stream.untaken_s > lead_s:
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
        del self._running[batch]
        first, share = batch.streams[0], 1.0
        if not first.live:
            self._files_turn_s = now + (1 / FILE_SHARE - 1) * (now - batch.began_s)
        if batch.unit.stage == "denoise":
            share = len(batch.streams) / first.max_batch
        if first.live and first.ahead_s(now) < LOAD_MEMORY_S:  # the rest could have waited
            self._work *= exp((self._work_s - now) / LOAD_MEMORY_S)
            self._work += share * (now - batch.began_s)
            self._work_s = now
        for stream, made_s in zip(batch.streams, audio_s, strict=True):
            stream.running = False
            if made_s:
                stream.made(made_s, now)

    def heard(self, stream: Stream, now: float) -> None:
        """Note that the caller of a stream takes audio: the first tells how good predictions are.

        Reference: Robbins and Monro 1951, for following a quantile.
        """
        if stream.expected_s is not None:
            late = now - stream.arrived_s > self._late_ratio * stream.expected_s + LATE_S
            self._late_ratio = max(self._late_ratio + LATE_STEP * (late - LATE_SHARE), 1.0)
            stream.expected_s = None

    def expected_first_audio_s(self, stream: Stream, now: float) -> float:
        """Predicted seconds to the first audio of a live call that came now, with the time until it
        would be admitted."""
        needs = self._needs(stream, now)
        try:
            self._displaced_by(stream, now)
            return self._load_with(stream, needs, now)[1]
        except OverloadError as error:
            return error.retry_after_s + self._first_audio_s(stream, needs, now)

    def backlog_s(self) -> float:
        """Predicted seconds of audio still to be made."""
        return sum(stream.left_s for stream in self.streams)

    def waiting(self) -> int:
        """How many streams have no audio yet."""
        return sum(stream.started_s is None for stream in self.streams)

    def load_ratio(self, now: float) -> float:
        """Cost of live calls / capacity, from 0 to 1; they are refused at 1.

        It is the highest of four ratios: recent lane time (a batch with room for more counts in
        part) and the streams' need, both / the capacity that may be promised; streams / the
        maximum; and how close a recent call came to being refused.
        """
        used = self._work * exp((self._work_s - now) / LOAD_MEMORY_S) / LOAD_MEMORY_S
        needed = sum(self._need(stream, now) for stream in self.streams if stream.live)
        promised = self.policy.utilisation * self._lanes
        streams = self._held[True].total() / self.policy.max_streams
        return min(max(used / promised, needed / promised, streams, self._recent_peak(now)), 1.0)

    def _recent_peak(self, now: float) -> float:
        return self._peak - (now - self._peak_s) / (2 * LOAD_MEMORY_S)

    def _ready_unit(self, stream: Stream) -> Unit | None:
        if stream.running or stream.work is None:
            return None
        if stream.untaken_s > self.policy.max_untaken_s:
            return None
        if not stream.live:
            with_files = sum(not batch.streams[0].live for batch in self._running)
            if with_files >= self._file_lanes:
                return None
        return stream.work.next_unit

    def _displaced_by(self, stream: Stream, now: float) -> Stream | None:
        """The idle stream whose slot a new one may take; None if slots are left.

        Streams that have not started go first, then those of the peer with the most streams, then
        the one idle for longest. A newcomer without text displaces only streams of peers that have
        more of them than its own peer.
        """
        held, limit = self._held[stream.live], self.policy.max_streams
        most = ceil(self.policy.peer_share * limit)
        if stream.peer and most <= held[stream.peer] < limit:
            raise PeerShareError(
                f"this caller has {held[stream.peer]} streams, and one may have {most} of {limit}"
                " (peer_share); end one, or try again later",
                self._slot_after_s(stream, now),
            )
        if held.total() < limit:
            return None
        least = held[stream.peer] + 1 if stream.is_unstarted else 0
        idle = [other for other in self.streams if other.is_idle and held[other.peer] > least]
        if not idle or not stream.live:
            raise OverloadError(
                f"all {limit} streams are taken (max_streams); try again later",
                self._slot_after_s(stream, now),
            )
        return min(
            idle,
            key=lambda other: (not other.is_unstarted, -held[other.peer], other.idle_since_s),
        )

    def _needs(self, stream: Stream, now: float) -> dict[Stream, float]:
        """Lane shares of the other streams that need one; a file's don't count for live calls."""
        return {
            other: need
            for other in self.streams
            if (other.live or not stream.live) and other is not stream
            if (need := self._need(other, now))
        }

    def _first_audio_s(self, stream: Stream, needs: Mapping[Stream, float], now: float) -> float:
        """Predicted seconds until the first audio of a stream, in fair weather.

        Texts are read one after another. Then a lane gets free, and all first chunks are made that
        have been promised or are about to be played.
        """
        if not needs:
            return stream.alone_s(now)
        reading_s = sum(other.unread_s for other in (stream, *needs))
        lane_s = sum(other.work_due_s(now, FIRST_CHUNK_S) for other in needs) / self._lanes
        if self.busy_lanes == self._lanes:
            lane_s += max(min(self._running.values()) - now, 0.0)
        return max(reading_s, lane_s) + stream.work_due_s(now, FIRST_CHUNK_S)

    def _check_fit(self, stream: Stream, now: float) -> float:
        """Predicted seconds to the first audio of a stream, if its text, including reservations,
        can be spoken in time; raises otherwise."""
        needs = self._needs(stream, now)
        if stream.live:
            first_s = self._check_promise(stream, needs, now)
            ready_s = first_s
        else:
            if sum(not other.live for other in needs) >= self._lanes:  # else they would starve
                self._check_share(stream, needs, now)
            first_s = self._first_audio_s(stream, needs, now)
            ready_s = first_s + stream.work_left_s()
        if now + ready_s > stream.ends_s:
            raise DeadlineError(
                f"deadline too short: first audio cannot be ready in {stream.ends_s - now:.3f} s"
            )
        return first_s

    def _check_promise(self, stream: Stream, needs: Mapping[Stream, float], now: float) -> float:
        """Predicted seconds to the first audio of a live stream; raises unless that and all that
        follows will be in time."""
        if (named_s := stream.first_audio_s) is not None:
            alone_s = stream.alone_s(now)
            if alone_s > named_s:
                raise DeadlineError(
                    f"first_audio_ms is {1000 * named_s:g}; this text takes {1000 * alone_s:.0f} ms"
                    " on an idle server: allow more, or send it in pieces"
                )
        load = 1.0
        try:
            load, first_s = self._load_with(stream, needs, now)
        except PeerShareError:
            load = 0.0  # there is room for others
            raise
        finally:
            if load >= self._recent_peak(now):
                self._peak = load
                self._peak_s = now
        return first_s

    def _load_with(
        self, stream: Stream, needs: Mapping[Stream, float], now: float
    ) -> tuple[float, float]:
        """Raise OverloadError unless all live streams, including this one, can be served in time.

        Reference: the demand bound of Baruah et al. 1990, at infinity and after each of the small
        first chunks.

        Args:
            needs: see `_needs`.

        Returns:
            The highest ratio of demand to limit over all tests, at most 1; predicted seconds to the
            first audio of `stream`.
        """
        alone = len(needs) < self._lanes  # then it gets a lane to itself
        load = 0.0 if alone else self._check_share(stream, needs, now)
        first_s, named_s = self._first_audio_s(stream, needs, now), stream.first_audio_s
        limit_s = self.policy.max_first_audio_s + stream.unread_s
        setting = "max_first_audio_s"
        if named_s is not None:
            limit_s = named_s / (self._late_ratio if needs else 1.0)
            setting = "first_audio_ms"
        if first_s > limit_s and not (alone and named_s is None):
            raise OverloadError(
                f"the first sound would come after {first_s:.3f} s, too late by"
                f" {first_s - limit_s:.3f} s ({setting}); try again then",
                max(first_s - limit_s, MIN_RETRY_S),
            )
        if alone:
            return 0.0, first_s
        load = max(load, first_s / limit_s)
        share = self.policy.burst_utilisation * self._lanes
        for chunks_s, _ in stream.costs.lines.startup:
            within_s = chunks_s + FIRST_CHUNK_S  # every stream started by now wants one more chunk
            due_s = sum(one.work_due_s(now, within_s) for one in (stream, *needs))
            if due_s > share * within_s:
                raise OverloadError(
                    f"too many calls begin at once: they need {due_s / share:.2f} s of work in the"
                    f" next {within_s:.2f} s (burst_share); try again later",
                    max(due_s / share - within_s, MIN_RETRY_S),
                )
            load = max(load, due_s / (share * within_s))
        return load, first_s

    def _check_share(self, stream: Stream, needs: Mapping[Stream, float], now: float) -> float:
        """Raise unless the lanes can keep up with all streams; the share that is then promised."""
        share = self.policy.utilisation * self._lanes
        need, taken = self._need(stream, now), sum(needs.values())
        if taken + need > share:
            raise OverloadError(
                f"{len(needs)} streams need {taken / share:.0%} of what this server may"
                f" promise with {self._lanes} lanes; try again later, or another server",
                _retry_after_s(needs, now, share - need),
            )
        own_share = self.policy.peer_share * share
        own = sum(need for other, need in needs.items() if other.peer == stream.peer)
        if stream.peer and own and own + need > own_share:
            raise PeerShareError(
                f"this caller's streams need {own / own_share:.0%} of what one may have"
                " (peer_share); end one, or try again later",
                _retry_after_s(needs, now, own_share - need),
            )
        return (taken + need) / share

    def _need(self, stream: Stream, now: float) -> float:
        """Share of a lane; 0 while the stream is paused because its caller takes no audio."""
        if stream.untaken_s > self.policy.max_untaken_s:
            return 0.0
        return stream.need(now, self.policy.reserve_s)

    def _slot_after_s(self, stream: Stream, now: float) -> float:
        """Seconds until the first stream of the kind of this one has ended."""
        ends_s = (one.ends_after_s(now) for one in self.streams if one.live == stream.live)
        return min(max(min(ends_s), MIN_RETRY_S), MAX_RETRY_S)


def _retry_after_s(needs: Mapping[Stream, float], now: float, need_limit: float) -> float:
    """Seconds until enough streams have ended that the rest need at most `need_limit`."""
    ends = sorted((stream.ends_after_s(now), need) for stream, need in needs.items())
    rest = sum(needs.values())
    for end_s, need in ends:
        rest -= need
        if rest <= need_limit:
            return min(max(end_s, MIN_RETRY_S), MAX_RETRY_S)
    return MAX_RETRY_S
