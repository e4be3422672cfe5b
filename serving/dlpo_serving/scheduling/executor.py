"""The lanes: threads that compute what the scheduler decides, and the lock between them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from typing import Protocol, TypeVar

from dlpo.errors import EngineError
from dlpo.text import Sentence
from dlpo_serving.errors import CallRejectedError, DisplacedError, OverloadError, PeerShareError
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tracing import Span
from dlpo_serving.scheduling import Batch, Scheduler, Stream, Unit
from dlpo_serving.synthesis.job import AudioChunk, SynthesisJob, compute_unit

T = TypeVar("T")
_Outcome = AudioChunk | Exception | None

SPAN_NAMES = {"encode": "encode", "frames": "frames", "denoise": "decode chunk"}
LAST_UNIT_S = 5.0  # that a unit may still take when the room closes
RETRY_S = 0.02  # between two attempts to admit text that waits

_log = logging.getLogger(__name__)


class ChunkSink(Protocol):
    """Hears what becomes of a stream. Calls come from a lane, or from whoever ended the text."""

    span: Span
    """of the call, for what the lanes do for it"""

    def on_chunk(self, chunk: AudioChunk, late_s: float) -> None:
        """The next chunk; `late_s` seconds after the audio before it had ended, if positive."""
        ...

    def on_end(self) -> None:
        """There will be no more."""
        ...

    def on_error(self, error: Exception) -> None:
        """There will be no more: the engine failed."""
        ...


@dataclass(slots=True, eq=False)
class _Lane:
    """One thread and what it computes now."""

    batch: Batch | None = None
    since_s: float = 0.0
    beats: int = 0
    """of the watcher since `batch` began"""
    busy_lanes: int = 1
    """that computed when it began, itself included"""
    abandoned: bool = False
    thread: threading.Thread = field(init=False)


@dataclass(slots=True, eq=False)
class WaitingText:
    """Text of a stream that does not fit yet."""

    stream: Stream
    audio_s: float
    on_fit: Callable[[CallRejectedError | None], None]
    """called once, from any thread, unless `EngineExecutor.give_up_text` comes first"""
    refusal: OverloadError
    """why it waits"""


class EngineExecutor:
    """Runs the scheduler's decisions. Safe to call from any thread; nothing in it waits long."""

    def __init__(
        self,
        scheduler: Scheduler,
        lanes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start `lanes` threads, as many as the scheduler reckons with."""
        self._scheduler = scheduler
        self._metrics = metrics
        self._clock = clock
        self._changed = threading.Condition()
        self._listeners: dict[Stream, ChunkSink] = {}
        self._tasks: deque[Callable[[], None]] = deque()
        self._waiting_text: deque[WaitingText] = deque()  # in the order in which it is admitted
        self._retried_s = clock()
        self._closing = False
        self.lanes = lanes
        """how many compute at the same time"""
        self._lanes = [self._open_lane(index) for index in range(lanes)]
        self._abandoned: list[threading.Thread] = []

    def run(self, task: Callable[[], T]) -> Future[T]:
        """Let a lane do something else before it computes on, such as to load a voice.

        What a GPU prepares has to be prepared by the thread that will use it.
        """
        future: Future[T] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            self._tasks.append(do)
            self._changed.notify_all()
        return future

    def admit(self, stream: Stream) -> None:
        """Reserve a place; see `Scheduler.admit`. `remove` must follow sooner or later."""
        with self._changed:
            displaced = self._scheduler.admit(stream, self._clock())
            if displaced:
                self._fail(displaced, DisplacedError())

    def start(self, stream: Stream, rendering: SynthesisJob, listener: ChunkSink) -> None:
        """Compute an admitted stream; its listener gets every chunk."""
        with self._changed:
            stream.work, stream.ready_s = rendering, self._clock()
            self._listeners[stream] = listener
            self._changed.notify_all()

    def reserve(
        self, stream: Stream, audio_s: float, on_fit: Callable[[CallRejectedError | None], None]
    ) -> WaitingText | None:
        """Reserve for further text of a stream, predicted to last `audio_s`.

        Text that does not fit beside what is admitted waits, the oldest first.

        Returns:
            None if it fits. Otherwise `on_fit` will be called when it does, or with what makes it
            hopeless, such as the stream's deadline.

        Raises:
            DeadlineError: see `Scheduler.extend`.
        """
        with self._changed:
            try:
                if not self._waiting_text or stream.keeps_share(self._clock()):
                    self._scheduler.extend(stream, audio_s, self._clock())
                    return None
                refusal = self._waiting_text[0].refusal
            except OverloadError as error:
                refusal = error
            stream.waiting_s = audio_s
            self._waiting_text.append(WaitingText(stream, audio_s, on_fit, refusal))
            self._changed.notify_all()  # lanes that wait for work retry it from now on
            return self._waiting_text[-1]

    def give_up_text(self, text: WaitingText) -> None:
        """Forget text that waits."""
        with self._changed:
            text.stream.waiting_s = 0.0
            if text in self._waiting_text:
                self._waiting_text.remove(text)

    def add(self, stream: Stream, sentences: Sequence[Sentence], audio_s: float) -> None:
        """Speak further text of a stream that was started; it was reserved for."""
        with self._changed:
            stream.reserved_s = 0.0  # also where nothing in the text can be spoken
            if sentences:
                stream.add_text(audio_s, self._clock())
                _rendering(stream).add(sentences)
            self._changed.notify_all()

    def end_text(self, stream: Stream) -> None:
        """There will be no further text of a stream that was started."""
        with self._changed:
            stream.more_text, stream.reserved_s = False, 0.0
            rendering = _rendering(stream)
            rendering.close()
            is_over = rendering.done and not stream.running
            listener = self._listeners.pop(stream, None) if is_over else None
        if listener:
            listener.on_end()

    def took(self, stream: Stream, audio_s: float) -> None:
        """The caller has taken so much of what was made."""
        with self._changed:
            stream.untaken_s -= audio_s
            self._changed.notify_all()

    def remove(self, stream: Stream) -> None:
        """Forget a stream, at the end or before; a unit that is being computed is thrown away."""
        with self._changed:
            self._scheduler.remove(stream)
            self._listeners.pop(stream, None)
            self._changed.notify_all()

    def active(self) -> int:
        """Streams that have a place."""
        with self._changed:
            return len(self._scheduler.streams)

    def waiting(self) -> int:
        """Streams that have not had their first sound."""
        with self._changed:
            return self._scheduler.waiting()

    def backlog_s(self) -> float:
        """Predicted seconds of audio still to be made."""
        with self._changed:
            return self._scheduler.backlog_s()

    def replace_hung_lanes(self, beats: int) -> int:
        """Replace lanes whose engine has not returned for so many calls of this method.

        It is called at regular intervals. Intervals are counted and no seconds, because the clock
        jumps for everybody where the process was stopped or the machine slept. The streams of such
        a lane fail. Python can't end a thread: it stays until its call returns, if it ever does.

        Returns:
            How many lanes were replaced now.
        """
        with self._changed:
            hung = []
            for index, lane in enumerate(self._lanes):
                lane.beats += 1
                if lane.batch and lane.beats > beats:
                    hung.append(index)
            for index in hung:
                lane = self._lanes[index]
                assert lane.batch  # that is why it hangs
                lane.abandoned = True
                self._abandoned.append(lane.thread)
                error = EngineError(
                    f"the engine has not returned after {beats} heartbeats, computing"
                    f" {lane.batch.unit}; if that happens again, restart the server"
                )
                _log.critical("%s", error)
                self._scheduler.finished(lane.batch, self._clock(), [0.0] * len(lane.batch.streams))
                for stream in lane.batch.streams:
                    self._fail(stream, error)
                self._lanes[index] = self._open_lane(index)
            return len(hung)

    @property
    def has_hung_threads(self) -> bool:
        """A lane that was replaced is still inside of the engine: the interpreter can't end."""
        return any(thread.is_alive() for thread in self._abandoned)

    def close(self) -> None:
        """End the lanes after what they compute now; streams that are left hear nothing more.

        A lane that hangs does not keep the process from ending.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for lane in self._lanes:
            lane.thread.join(LAST_UNIT_S)

    def _open_lane(self, index: int) -> _Lane:
        lane = _Lane()
        lane.thread = threading.Thread(
            target=self._run, args=(lane,), name=f"lane-{index}", daemon=True
        )
        lane.thread.start()
        return lane

    def _run(self, lane: _Lane) -> None:
        while work := self._await_work(lane):
            if not isinstance(work, Batch):
                work()
                continue
            batch = work
            renderings = [_rendering(stream) for stream in batch.streams]
            computed = _compute(batch.unit, renderings)
            outcomes = [
                self._deliver(stream, outcome)
                for stream, outcome in zip(batch.streams, computed, strict=True)
            ]
            with self._changed:
                if lane.abandoned:
                    return
                ended = self._account(lane, batch, outcomes)
                self._changed.notify_all()
            for listener in ended:  # a codec's last work, which nobody else has to wait for
                listener.on_end()

    def _await_work(self, lane: _Lane) -> Batch | Callable[[], None] | None:
        """The next thing to do; None when the room closes."""
        with self._changed:
            while not self._closing:
                if self._tasks:
                    return self._tasks.popleft()
                now = self._clock()
                self._admit_waiting_text(now)
                batch = self._scheduler.next_batch(now)
                if batch:
                    lane.batch, lane.since_s, lane.beats = batch, now, 0
                    lane.busy_lanes = self._scheduler.busy_lanes
                    self._note_wait(batch, now)
                    return batch
                wait_s = self._scheduler.next_urgency_s() - now
                if self._waiting_text:
                    wait_s = min(wait_s, RETRY_S)
                self._changed.wait(None if wait_s == inf else max(wait_s, 0.001))
            return None

    def _admit_waiting_text(self, now: float) -> None:
        """Admit the text that has waited for longest, and so on while it fits.

        A peer that has its whole share waits without the others.
        """
        if now - self._retried_s < RETRY_S:
            return
        self._retried_s = now
        full: set[str] = set()  # peers
        for text in tuple(self._waiting_text):
            if text.stream.peer in full:
                continue
            refusal: CallRejectedError | None = None
            try:
                self._scheduler.extend(text.stream, text.audio_s, now)
            except PeerShareError as error:
                text.refusal = error
                full.add(text.stream.peer)
                continue
            except OverloadError as error:
                text.refusal = error
                return
            except CallRejectedError as error:
                refusal = error
            self._waiting_text.remove(text)
            text.stream.waiting_s = 0.0
            text.on_fit(refusal)

    def _note_wait(self, batch: Batch, now: float) -> None:
        if batch.unit.stage == "encode":  # the others follow upon it
            for stream in batch.streams:
                if stream.started_s is None:
                    self._metrics.queue_wait(now - stream.ready_s)
                    if listener := self._listeners.get(stream):
                        listener.span.measured("queue", now - stream.ready_s)

    def _deliver(self, stream: Stream, outcome: _Outcome) -> _Outcome:
        """Hand a chunk to who waits for it; that may fail as well, an encoder has its own ways."""
        listener = self._listeners.get(stream)
        if listener is None or not isinstance(outcome, AudioChunk):
            return outcome
        started = stream.started_s is not None
        late_s = -stream.ahead_s(self._clock()) if started else 0.0
        try:
            listener.on_chunk(outcome, late_s)
        except Exception as error:
            return error
        return outcome

    def _account(self, lane: _Lane, batch: Batch, outcomes: Sequence[_Outcome]) -> list[ChunkSink]:
        """Tell all what came of a batch; returns the listeners who have heard the last chunk."""
        now = self._clock()
        took_s = now - lane.since_s
        lane.batch = None
        rows = len(batch.streams)
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            costs = batch.streams[0].costs
            costs.observe_unit(batch.unit, rows, took_s, lane.busy_lanes, self.lanes)
        self._metrics.batch(batch.unit.stage, rows)
        self._metrics.stage(batch.unit.stage, took_s)
        if batch.unit.stage == "denoise":
            frames = 1 << (batch.unit.size - 1).bit_length()  # few sizes, so few labels
            self._metrics.step(f"{rows}x{frames}", took_s)
        made_s = [
            outcome.duration_s if isinstance(outcome, AudioChunk) else 0.0 for outcome in outcomes
        ]
        self._scheduler.finished(batch, now, made_s)
        for stream in batch.streams:
            if listener := self._listeners.get(stream):
                attributes = {"dlpo.size": batch.unit.size, "dlpo.rows": rows}
                listener.span.measured(SPAN_NAMES[batch.unit.stage], took_s, attributes)
        ended = []
        for stream, outcome in zip(batch.streams, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._fail(stream, outcome)
            elif stream.work and stream.work.done:
                ended.append(self._listeners.pop(stream, None))
        return [listener for listener in ended if listener]

    def _fail(self, stream: Stream, error: Exception) -> None:
        self._scheduler.remove(stream)
        if listener := self._listeners.pop(stream, None):
            listener.on_error(error)


def _rendering(stream: Stream) -> SynthesisJob:
    assert isinstance(stream.work, SynthesisJob)  # `start` put it there
    return stream.work


def _compute(unit: Unit, renderings: Sequence[SynthesisJob]) -> Sequence[_Outcome]:
    """What becomes of each: a chunk, None where the unit makes no sound, or the error."""
    try:
        return compute_unit(unit, renderings) or [None] * len(renderings)
    # The engine may raise whatever it likes: the lane and the other streams must go on.
    except Exception as error:
        if len(renderings) == 1:
            return [error]
        return [outcome for one in renderings for outcome in _compute(unit, [one])]
