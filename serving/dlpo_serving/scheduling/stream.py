"""A call as the scheduler sees it, with its cost model and the admission policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf
from typing import Protocol

from dlpo_serving.engine import Unit

_MEMORY = 0.05  # weight of a new text in a running mean
MEMORY_S = 1.0  # compute time over which the machine's speed is averaged
WARM_UP_S = 0.25  # compute time that the warm-up counts as
OUTLIER = 16.0  # cap on measured / predicted time of a unit: the process may have been suspended
FRAMES_PER_CHARACTER = 5.0  # at 80 frames a second: 16 characters a second
READ_S = 2e-5  # per character
FIRST_CHUNK_S = 0.1  # of audio: the first chunk; any less counts as nothing
ROUNDING_S = 1e-9  # what sums of an hour's chunks differ by, added in another order; no sample


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds per unit as a linear function of its size."""

    fixed_s: float
    per_item_s: float

    def at(self, size: float) -> float:
        """Seconds for a unit of this size."""
        return self.fixed_s + self.per_item_s * size


@dataclass(frozen=True, slots=True)
class CostLines:
    """The cost of a voice's stages on this machine, as measured by `measure_costs`."""

    encode: Line
    """over the symbols of a sentence"""
    frames: Line
    """over the frames of a block with its context"""
    denoise: Line
    """over the frames of a window with its context, at `steps`"""
    steps: int
    """reverse steps for which `denoise` was measured"""
    startup: tuple[tuple[float, float], ...]
    """for a text of ordinary length, after each of its first chunks: the seconds of audio made and
    the seconds they took, all stages"""
    audio_second_s: float
    """seconds to compute a second of audio after that, all stages"""
    frames_per_second: float
    """frames in a second of audio"""
    contention: float = 1.0
    """time of a unit with all lanes busy / with the others idle, at least 1"""


class _SpeedRatio:
    """Measured / predicted by the warm-up lines, in seconds, averaged over the last `MEMORY_S`."""

    def __init__(self, ratio: float) -> None:
        self._line_s = WARM_UP_S
        self.ratio = ratio

    def observe(self, line_s: float, measured_s: float) -> None:
        """Add a unit that took `measured_s` where its line predicts `line_s`.

        Earlier units decay by the longer of the predicted and the measured time, so that a
        prediction that is too high is corrected as quickly as one that is too low.
        """
        expected_s = self.ratio * line_s
        measured_s = min(measured_s, OUTLIER * expected_s)
        fade = exp(-max(measured_s, expected_s) / MEMORY_S)
        total_s = fade * self.ratio * self._line_s + measured_s
        self._line_s = fade * self._line_s + line_s
        self.ratio = total_s / self._line_s


class Costs:
    """Predicts compute times from the warm-up measurements and every unit since.

    A unit takes longer while all lanes are busy, so both speeds are tracked. Units next to idle
    lanes adjust both, so that a wrong initial estimate is corrected even on a machine that is never
    busy; units next to busy lanes set the ratio between the two.
    """

    def __init__(self, lines: CostLines) -> None:
        self.lines = lines
        self._crowded = _SpeedRatio(1.0)
        self._alone = _SpeedRatio(1.0 / lines.contention)
        self.frames_per_character = FRAMES_PER_CHARACTER
        """at speed 1, running mean"""
        self._read_s = READ_S  # per character, running mean
        (_, before_s), (_, spent_s) = ((0.0, 0.0), *lines.startup)[-2:]
        self._chunk_s = spent_s - before_s  # for one of full length

    @property
    def slowdown(self) -> float:
        """Seconds of a unit with all lanes busy / those predicted by its line."""
        return self._crowded.ratio

    @property
    def ease(self) -> float:
        """Seconds of a unit next to idle lanes / those with all lanes busy."""
        return self._alone.ratio / self._crowded.ratio

    def audio_s(self, characters: int, speed: float) -> float:
        """Predicted seconds of audio for a text."""
        return characters * self.frames_per_character / speed / self.lines.frames_per_second

    def work_s(self, audio_s: float, made_s: float, steps: int) -> float:
        """Predicted compute seconds from `made_s` seconds of a stream's audio to `audio_s`."""
        seconds = self._spent_s(audio_s) - self._spent_s(made_s)
        return self._crowded.ratio * max(seconds, 0.0) * steps / self.lines.steps

    def reading_s(self, characters: int) -> float:
        """Predicted seconds to read a text."""
        return characters * self._read_s

    def chunk_s(self, steps: int) -> float:
        """Predicted seconds of a chunk of full length, with all lanes busy."""
        return self._crowded.ratio * self._chunk_s * steps / self.lines.steps

    def unit_s(self, unit: Unit, batch: int) -> float:
        """Predicted seconds of a unit for `batch` streams, with all lanes busy."""
        return self.slowdown * self._line_s(unit, batch)

    def rate(self, steps: int) -> float:
        """Predicted compute seconds per second of audio, after the first chunks."""
        return self.slowdown * self.lines.audio_second_s * steps / self.lines.steps

    def observe_unit(
        self, unit: Unit, batch: int, seconds: float, busy_lanes: int, lanes: int
    ) -> None:
        """Learn from a batch.

        Args:
            unit, batch: what was computed, and for how many streams.
            seconds: how long it took.
            busy_lanes: lanes that were computing when it began, including its own.
            lanes: the server's lanes.
        """
        line_s = self._line_s(unit, batch)
        if 2 * busy_lanes > lanes:
            self._crowded.observe(line_s, seconds)
            fastest, slowest = self._crowded.ratio / lanes, self._crowded.ratio
            self._alone.ratio = min(max(self._alone.ratio, fastest), slowest)
        else:
            before = self._alone.ratio
            self._alone.observe(line_s, seconds)
            self._crowded.ratio *= self._alone.ratio / before

    def observe_reading(self, characters: int, seconds: float) -> None:
        """Learn from a text that was read."""
        self._read_s += _MEMORY * (seconds / characters - self._read_s)

    def observe_text(self, characters: int, audio_s: float, speed: float) -> None:
        """Learn the pace from a text that was spoken to the end."""
        frames = audio_s * speed * self.lines.frames_per_second
        self.frames_per_character += _MEMORY * (frames / characters - self.frames_per_character)

    def _spent_s(self, audio_s: float) -> float:
        """Line seconds of a stream up to `audio_s`; the small first chunks count in full."""
        if audio_s <= 0:
            return 0.0
        for made_s, spent_s in self.lines.startup:
            if audio_s <= made_s:
                return spent_s
        return spent_s + (audio_s - made_s) * self.lines.audio_second_s

    def _line_s(self, unit: Unit, batch: int) -> float:
        match unit.stage:
            case "encode":
                return self.lines.encode.at(unit.size)
            case "frames":
                return self.lines.frames.at(unit.size)
            case "denoise":
                return self.lines.denoise.at(batch * unit.size) * unit.steps / self.lines.steps


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """Limits for admission, times in seconds; docs/scheduling.md says how each was chosen."""

    early_chunks: float = 2.0
    """how long before it is played each chunk but the first is due, in times that a chunk takes"""
    max_first_audio_s: float = 0.25
    """a live call whose first audio is predicted later than this after its text has been read is
    refused, unless it names a time of its own"""
    utilisation: float = 0.75
    """share of the lanes that admitted streams may need to play without a gap"""
    lead_s: float = 1.0
    """a stream further ahead of its listener than this leaves one lane free for newcomers"""
    burst_utilisation: float = 0.6
    """`utilisation` over the next seconds if many begin at once: chunks may wait for longer ones"""
    reserve_s: float = 2.0
    """audio that each stream should have buffered when the server is full, before files go on"""
    max_untaken_s: float = 30.0
    """a stream with more unread audio than this is paused"""
    max_streams: int = 500
    """concurrent live calls, and as many whole files, whatever they cost"""
    peer_share: float = 0.9
    """share of streams and lanes allowed per key, or without keys per connection"""


class Work(Protocol):
    """An utterance as the scheduler sees it; `dlpo_serving.synthesis.job.SynthesisJob` is one."""

    @property
    def next_unit(self) -> Unit | None:
        """The next unit to compute; None while waiting for more text, and at the end."""

    @property
    def done(self) -> bool:
        """Whether there is nothing to compute, now or later."""


@dataclass(slots=True, eq=False)
class Stream:
    """One call, from admission to its last chunk. Times are on the scheduler's clock."""

    costs: Costs
    """costs of its voice"""
    steps: int
    """reverse steps, N"""
    arrived_s: float
    expected_audio_s: float
    """predicted length of the whole audio; grows with the text"""
    max_batch: int = 1
    """how many streams its engine denoises in one batch"""
    live: bool = True
    """played while it is made; a whole file waits for its turn and yields to what is live"""
    first_audio_s: float | None = None
    """the latest first audio after its arrival that its caller accepts; None: the server's limit"""
    reading_s: float = 0.0
    """predicted time to read its first text; see `unread_s`"""
    expected_s: float | None = None
    """when its first audio was predicted, after its arrival, until that is taken"""
    ends_s: float = inf
    """when the caller gives up"""
    peer: str = ""
    """the caller's key, or the connection: a single peer gets only a share of the server"""
    more_text: bool = False
    """whether the text comes in pieces and has not ended"""
    work: Work | None = None
    """what to compute; None while the text is being parsed"""
    ready_s: float = 0.0
    """when its text had been parsed"""
    started_s: float | None = None
    """when the first chunk was made"""
    made_s: float = 0.0
    """seconds of audio made"""
    untaken_s: float = 0.0
    """seconds of audio made that the caller has not taken yet; see `taken`"""
    running: bool = field(default=False, init=False)
    """whether a lane is computing one of its units"""
    reserved_s: float = 0.0
    """predicted audio of text that has been admitted and is being parsed"""
    waiting_s: float = 0.0
    """predicted audio of text that does not fit yet"""
    idle_since_s: float = 0.0
    """when it was admitted or last made audio"""

    @property
    def has_unit(self) -> bool:
        """Whether there is something to compute, now or after the running unit."""
        return self.running or (self.work is not None and self.work.next_unit is not None)

    @property
    def unread_s(self) -> float:
        """Predicted seconds of reading before there is something to compute."""
        return self.reading_s if self.work is None else 0.0

    @property
    def is_idle(self) -> bool:
        """Whether everything has been spoken and taken, and it waits for its writer."""
        pending = self.has_unit or self.waiting_s or self.left_s
        return self.more_text and not pending and self.untaken_s < FIRST_CHUNK_S

    @property
    def is_unstarted(self) -> bool:
        """Whether it is still waiting for its first text."""
        return self.is_idle and not self.made_s

    @property
    def left_s(self) -> float:
        """Predicted seconds of audio still to be made."""
        return max(self.expected_audio_s - self.made_s, 0.0) + self.reserved_s

    def ends_after_s(self, now: float) -> float:
        """Predicted seconds until all of it has been played, or made if it is a file."""
        if not self.live:
            return self.work_left_s()
        return max(self.ahead_s(now), 0.0) + self.left_s

    def due_s(self, now: float, early_chunks: float) -> float:
        """When its next chunk is due: the first at once, others a little before they are played, so
        that newcomers don't make it run dry."""
        due = self.arrived_s
        if self.started_s is not None:
            due = now + self.ahead_s(now) - early_chunks * self.costs.chunk_s(self.steps)
        return min(due, self.ends_s)

    def ahead_s(self, now: float) -> float:
        """Seconds of audio made but not played yet; negative if playback has run dry."""
        if self.started_s is None:
            return 0.0
        played_until = self.started_s + self.made_s - now
        return max(played_until, self.untaken_s) if self.untaken_s else played_until

    def keeps_share(self, now: float) -> bool:
        """Whether it is being played and more text is to come."""
        return self.more_text and self.ahead_s(now) > 0

    def made(self, audio_s: float, now: float) -> None:
        """Account for a chunk. A late one delays the playback of all that follow."""
        begins_s = now - self.made_s
        self.started_s = begins_s if self.started_s is None else max(self.started_s, begins_s)
        self.idle_since_s = now
        self.made_s += audio_s
        self._leave_untaken(self.untaken_s + audio_s)
        if self.has_unit:
            self.expected_audio_s = max(self.expected_audio_s, self.made_s + FIRST_CHUNK_S)
        elif self.more_text:
            self.expected_audio_s = self.made_s

    def taken(self, audio_s: float) -> None:
        """Account for audio that the caller has taken, perhaps before `made` accounts for it."""
        self._leave_untaken(self.untaken_s - audio_s)

    def _leave_untaken(self, audio_s: float) -> None:
        """What rounding leaves of a sum is nothing: an idle stream would keep its share for it."""
        self.untaken_s = audio_s if abs(audio_s) > ROUNDING_S else 0.0

    def add_text(self, audio_s: float, now: float) -> None:
        """Account for newly parsed sentences, predicted to last `audio_s`."""
        if not self.has_unit and self.ahead_s(now) <= 0:  # playback is over: start afresh
            self.arrived_s = self.ready_s = now
            self.started_s = None
        self.reserved_s = 0.0
        self.expected_audio_s += audio_s

    def work_left_s(self) -> float:
        """Predicted compute seconds it still needs."""
        return self.costs.work_s(self.made_s + self.left_s, self.made_s, self.steps)

    def work_due_s(self, now: float, within_s: float) -> float:
        """Predicted compute seconds for the audio that is played within `within_s` seconds."""
        wanted_s = min(within_s - max(self.ahead_s(now), 0.0), self.left_s)
        if wanted_s <= 0:  # as of most streams
            return 0.0
        return self.costs.work_s(self.made_s + wanted_s, self.made_s, self.steps)

    def alone_s(self, now: float) -> float:
        """Predicted seconds to its next audio if there is no other stream."""
        return self.unread_s + self.costs.ease * self.work_due_s(now, FIRST_CHUNK_S)

    def need(self, now: float, reserve_s: float) -> float:
        """The share of one lane it needs from now on to play without a gap.

        Buffered audio counts only beyond `reserve_s`: a stream that used up its reserve would have
        none left when a newcomer arrives. A stream that is playing and has more text to come keeps
        its full share, so that the text finds room.
        """
        if self.keeps_share(now):
            return self.costs.rate(self.steps)
        if not self.left_s:
            return 0.0
        spare_s = max(self.ahead_s(now) - reserve_s, 0.0)
        return self.costs.rate(self.steps) * self.left_s / (self.left_s + spare_s)
