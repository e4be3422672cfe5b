"""The lanes: threads that carry out the scheduler's decisions, and the lock they share."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Protocol, TypeVar

from dlpo.errors import EngineError
from dlpo.operating_system import lower_priority
from dlpo.text import Sentence
from dlpo_serving.errors import DisplacedError
from dlpo_serving.operations.call_scope import CallRecord
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.scheduling.scheduler import Batch, Scheduler
from dlpo_serving.scheduling.stream import Stream
from dlpo_serving.scheduling.waiting_line import Waiting, WaitingLine
from dlpo_serving.synthesis.job import AudioChunk, SynthesisJob, compute_unit

T = TypeVar("T")
_Outcome = AudioChunk | Exception | None

SPAN_NAMES = {"encode": "encode", "frames": "frames", "denoise": "decode chunk"}
LAST_UNIT_S = 5.0  # how long a running unit may still take when the executor closes
RETRY_S = 0.02  # between two attempts to admit waiting text and files
NICENESS = 5  # of the lanes, so that the event loop answers while they compute

_log = logging.getLogger(__name__)


class ChunkSink(Protocol):
    """Takes the audio of a stream. It is called by a lane, or by whatever ends the text."""

    record: CallRecord
    """the call's record"""

    def on_chunk(self, chunk: AudioChunk, late_s: float) -> None:
        """Take the next chunk; if positive, `late_s` is the gap since the previous one ended."""

    def on_end(self) -> None:
        """No more chunks will come."""

    def on_error(self, error: Exception) -> None:
        """No more chunks will come, because of an error."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One thread and what it is computing."""

    batch: Batch | None = None
    beats: int = 0
    """heartbeats of the watcher since `batch` began"""
    busy_lanes: int = 1
    """lanes that were computing when it began, itself included"""
    abandoned: bool = False
    thread: threading.Thread = field(init=False)


class EngineExecutor:
    """Carries out the scheduler's decisions. Thread-safe; no method but `close` blocks for long."""

    def __init__(
        self,
        scheduler: Scheduler,
        lanes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start `lanes` threads, the same number as the scheduler's."""
        self._scheduler = scheduler
        self._metrics = metrics
        self._clock = clock
        self._changed = threading.Condition()
        self._sinks: dict[Stream, ChunkSink] = {}
        self._tasks: deque[Callable[[], None]] = deque()
        self._files = WaitingLine(scheduler)
        self._texts = WaitingLine(scheduler)
        self._retried_s = clock()
        self._closing = False
        self.lanes = lanes
        """how many compute concurrently"""
        self._lanes = [self._open_lane(index) for index in range(lanes)]
        self._abandoned: list[threading.Thread] = []

    def run(self, task: Callable[[], T]) -> Future[T]:
        """Run a task, such as loading a voice, on a lane between batches.

        What a GPU needs must be prepared on the thread that will use it.
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

    def admit(self, stream: Stream) -> Waiting | None:
        """Reserve a slot; see `Scheduler.admit`. `remove` must follow sooner or later.

        Returns:
            What a whole file waits for, if its turn has not come; `give_up` must follow.
        """
        with self._changed:
            if not stream.live:
                return self._wait(self._files, stream, partial(self._scheduler.admit, stream))
            if displaced := self._scheduler.admit(stream, self._clock()):
                self._fail(displaced, DisplacedError())
            return None

    def _wait(
        self, line: WaitingLine, stream: Stream, ask: Callable[[float], object]
    ) -> Waiting | None:
        waiting = line.join(stream, ask)
        line.admit(self._clock())
        if waiting.starts.done():
            return waiting.starts.result()
        self._changed.notify_all()  # idle lanes retry it from now on
        return waiting

    def give_up(self, waiting: Waiting) -> None:
        """Stop waiting for a turn, which may have come."""
        with self._changed:
            self._files.leave(waiting)
            self._texts.leave(waiting)

    def files_waiting(self) -> int:
        """How many whole files wait for their turn."""
        return len(self._files)

    def expect(self, stream: Stream, audio_s: float) -> None:
        """Correct the predicted length of a stream's audio, once its text has been parsed."""
        with self._changed:
            stream.expected_audio_s = audio_s

    def start(self, stream: Stream, job: SynthesisJob, sink: ChunkSink) -> None:
        """Start computing an admitted stream; `sink` gets every chunk."""
        with self._changed:
            stream.work, stream.ready_s = job, self._clock()
            self._sinks[stream] = sink
            self._changed.notify()  # one lane, since others would hold it up

    def reserve(self, stream: Stream, audio_s: float) -> Waiting | None:
        """Reserve capacity for further text of a stream, predicted to last `audio_s`.

        Returns:
            None if it fits alongside what is admitted; otherwise what to wait for, and `give_up`
            must follow.

        Raises:
            DeadlineError: see `Scheduler.extend`.
        """
        with self._changed:
            extend = partial(self._scheduler.extend, stream, audio_s)
            if stream.keeps_share(now := self._clock()):
                return extend(now)
            stream.waiting_s = audio_s
            return self._wait(self._texts, stream, extend)

    def add(self, stream: Stream, sentences: Sequence[Sentence], audio_s: float) -> None:
        """Speak further text of a started stream, for which capacity has been reserved."""
        with self._changed:
            stream.reserved_s = 0.0  # even if nothing in the text can be spoken
            if sentences:
                stream.add_text(audio_s, self._clock())
                assert isinstance(stream.work, SynthesisJob)  # `start` set it
                stream.work.add(sentences)
            self._changed.notify_all()

    def end_text(self, stream: Stream) -> None:
        """End the text of a started stream."""
        with self._changed:
            stream.more_text, stream.reserved_s = False, 0.0
            assert isinstance(stream.work, SynthesisJob)  # `start` set it
            stream.work.close()
            is_over = stream.work.done and not stream.running
            sink = self._sinks.pop(stream, None) if is_over else None
        if sink:
            sink.on_end()

    def release_audio(self, stream: Stream, audio_s: float) -> None:
        """Note that the caller has taken `audio_s` seconds of audio."""
        with self._changed:
            was_held = self._scheduler.is_held(stream)
            self._scheduler.heard(stream, self._clock())
            stream.taken(audio_s)
            if was_held:
                self._changed.notify_all()

    def remove(self, stream: Stream) -> None:
        """Remove a stream, finished or not; the result of a running unit is discarded."""
        with self._changed:
            self._scheduler.remove(stream)
            self._sinks.pop(stream, None)
            self._files.admit(self._clock())
            self._changed.notify_all()

    def ask(self, question: Callable[[Scheduler], float]) -> float:
        """Read a metric of the scheduler, between two of its decisions."""
        with self._changed:
            return question(self._scheduler)

    def replace_hung_lanes(self, beats: int) -> int:
        """Replace lanes whose engine has not returned for more than `beats` calls of this method.

        Call it at regular intervals. It counts intervals rather than seconds, because the clock
        jumps for every lane if the process was stopped or the machine slept. The streams of such a
        lane fail. Python can't kill a thread: it stays until its call returns, if ever.

        Returns:
            How many lanes were replaced by this call.
        """
        with self._changed:
            hung = []
            for index, lane in enumerate(self._lanes):
                lane.beats += 1
                if lane.batch and lane.beats > beats:
                    hung.append(index)
            for index in hung:
                lane = self._lanes[index]
                assert lane.batch  # as checked above
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
        """Whether a replaced lane is still inside the engine, so the interpreter can't exit."""
        return any(thread.is_alive() for thread in self._abandoned)

    def close(self) -> None:
        """Stop the lanes after their running units; remaining streams get nothing more.

        A hung lane does not keep the process from exiting.
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
        lower_priority(NICENESS)
        work = self._await_work(lane)
        while work:
            if not isinstance(work, Batch):
                work()
                work = self._await_work(lane)
                continue
            outcomes = _compute(work)
            for index, (stream, outcome) in enumerate(zip(work.streams, outcomes, strict=True)):
                sink = self._sinks.get(stream)
                if sink and isinstance(outcome, AudioChunk):
                    playing = stream.started_s is not None
                    try:
                        sink.on_chunk(outcome, -stream.ahead_s(self._clock()) if playing else 0.0)
                    except Exception as error:  # codecs raise their own classes
                        outcomes[index] = error
            with self._changed:
                if lane.abandoned:
                    return
                ended = self._account(lane, work, outcomes)
                # Going on at once, this lane has the next unit's data in its cache; an idle one
                # is woken only if it has something to do, since waking it delays this one.
                work = self._next_work(lane)
                if work is None or self._tasks or self._scheduler.has_ready():
                    self._changed.notify_all()
            for sink in ended:  # flushes the codec; outside the lock, so no other lane waits
                sink.on_end()
            work = work or self._await_work(lane)

    def _next_work(self, lane: _Lane) -> Batch | Callable[[], None] | None:
        """The next batch or task, if there is one now; call it with the lock."""
        if self._closing:
            return None
        if self._tasks:
            return self._tasks.popleft()
        now = self._clock()
        if now - self._retried_s >= RETRY_S:
            self._retried_s = now
            self._texts.admit(now)
            self._files.admit(now)
        if batch := self._scheduler.next_batch(now):
            lane.batch, lane.beats = batch, 0
            lane.busy_lanes = self._scheduler.busy_lanes
            for stream in batch.streams:
                if batch.unit.stage == "encode" and stream.live and stream.started_s is None:
                    self._metrics.queue_wait_s.observe(now - stream.ready_s)
                    if (sink := self._sinks.get(stream)) and sink.record.trace:
                        sink.record.trace.part("queue", now - stream.ready_s)
        return batch

    def _await_work(self, lane: _Lane) -> Batch | Callable[[], None] | None:
        """Wait for the next batch or task; None when the executor closes."""
        with self._changed:
            while not self._closing:
                if work := self._next_work(lane):
                    return work
                wait_s = self._scheduler.next_urgency_s() - self._clock()
                if self._texts or self._files:
                    wait_s = min(wait_s, RETRY_S)
                self._changed.wait(None if wait_s == inf else max(wait_s, 0.001))
            return None

    def _account(self, lane: _Lane, batch: Batch, outcomes: Sequence[_Outcome]) -> list[ChunkSink]:
        """Account for a computed batch; return the sinks that got their last chunk."""
        now = self._clock()
        unit = batch.unit
        rows = len(batch.streams)
        took_s = now - batch.began_s
        lane.batch = None
        self._metrics.batch_rows.labels(unit.stage).observe(rows)
        self._metrics.stage_s.labels(unit.stage).observe(took_s)
        if unit.stage == "denoise":
            frames = 1 << (unit.size - 1).bit_length()  # rounded up, to keep the labels few
            self._metrics.step_s.labels(f"{rows}x{frames}").observe(took_s)
        attributes = {"dlpo.size": unit.size, "dlpo.rows": rows}
        for stream in batch.streams:
            if (sink := self._sinks.get(stream)) and sink.record.trace:
                sink.record.trace.part(SPAN_NAMES[unit.stage], took_s, attributes)
        made_s = [one.duration_s if isinstance(one, AudioChunk) else 0.0 for one in outcomes]
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            costs = batch.streams[0].costs
            costs.observe_unit(unit, rows, took_s, lane.busy_lanes, self.lanes)
        self._scheduler.finished(batch, now, made_s)
        ended = []
        for stream, outcome in zip(batch.streams, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._fail(stream, outcome)
            elif stream.work and stream.work.done and (sink := self._sinks.pop(stream, None)):
                ended.append(sink)
        return ended

    def _fail(self, stream: Stream, error: Exception) -> None:
        self._scheduler.remove(stream)
        if sink := self._sinks.pop(stream, None):
            sink.on_error(error)


def _compute(batch: Batch) -> list[_Outcome]:
    """For each stream its chunk, None if the unit makes no audio, or the error."""
    jobs: list[SynthesisJob] = []
    for stream in batch.streams:
        assert isinstance(stream.work, SynthesisJob)  # `start` set it
        jobs.append(stream.work)
    try:
        return list(compute_unit(batch.unit, jobs)) or [None] * len(jobs)
    # The engine may raise anything: the lane and the other streams must carry on.
    except Exception as error:
        if len(jobs) == 1:
            return [error]
        alone = (Batch(batch.unit, (stream,), batch.began_s) for stream in batch.streams)
        return [outcome for one in alone for outcome in _compute(one)]
