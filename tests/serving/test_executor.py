"""Lanes over real threads: engines that throw or hang, streams that leave."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.errors import EngineError
from dlpo_serving.engine import Floats
from dlpo_serving.operations.call_scope import CallRecord
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, CostLines, Costs, Line, Stream
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, UnluckyEngine, fake_voice
from tests.fake_engine import FakeEngine
from tests.serving.conftest import Clock, GatedEngine

TEXT = "Noise becomes speech, step by step. Is it not strange?"
LINE = Line(0.001, 0.0)
OpenExecutor = Callable[..., EngineExecutor]
COSTS = Costs(CostLines(LINE, LINE, LINE, 3, ((0.1, 0.003),), 0.001, 73.5))


class Ear:
    """A listener that remembers what it heard."""

    record = CallRecord("", "", "")

    def __init__(self) -> None:
        self.chunks: list[AudioChunk] = []
        self.heard: queue.Queue[AudioChunk | Exception | None] = queue.Queue()
        self.on_error = self.heard.put

    def on_chunk(self, chunk: AudioChunk, late_s: float) -> None:
        self.chunks.append(chunk)
        self.heard.put(chunk)

    def on_end(self) -> None:
        self.heard.put(None)

    def end(self) -> Exception | None:
        """What it heard last: None, or the error."""
        while isinstance(last := self.heard.get(timeout=WAIT_S), AudioChunk):
            pass
        return last

    def audio(self) -> Floats:
        assert self.end() is None
        return np.concatenate([chunk.samples for chunk in self.chunks])


@pytest.fixture
def open_executor(clock: Clock) -> Iterator[OpenExecutor]:
    """`open_executor(lanes)`; it is closed after the test."""
    executors = []

    def make(lanes: int = 1) -> EngineExecutor:
        scheduler = Scheduler(AdmissionPolicy(), lanes)
        executors.append(EngineExecutor(scheduler, lanes, Metrics(), clock))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


def speak(executor: EngineExecutor, synthesizer: Synthesizer, seed: int = 0) -> tuple[Stream, Ear]:
    """Start a stream of `TEXT`."""
    stream = Stream(COSTS, 3, 0.0, 5.0, synthesizer.engine.max_batch)
    executor.admit(stream)
    ear = Ear()
    utterance = synthesizer.read(SpeechRequest(TEXT, seed=seed))
    executor.start(stream, synthesizer.job(utterance), ear)
    return stream, ear


@contextmanager
def held(executor: EngineExecutor) -> Iterator[None]:
    """The one lane waits for the end of the block, so that all streams are there when it looks."""
    entered, go_on = threading.Event(), threading.Event()

    def hold() -> bool:
        entered.set()
        return go_on.wait(WAIT_S)

    executor.run(hold)
    assert entered.wait(WAIT_S)
    yield
    go_on.set()


def test_a_unit_that_throws_fails_its_own_stream_even_in_a_batch(
    open_executor: OpenExecutor,
) -> None:
    throw = Mock(side_effect=RuntimeError("out of cheese"))
    synthesizer = fake_voice(UnluckyEngine(3, throw))
    calm = fake_voice()
    executor = open_executor()
    with held(executor):
        ears = [speak(executor, synthesizer, seed)[1] for seed in range(4)]
    for seed, ear in enumerate(ears):
        if seed == 3:
            assert isinstance(ear.end(), RuntimeError)
        else:
            np.testing.assert_array_equal(ear.audio(), calm.speak(SpeechRequest(TEXT, seed=seed)))


def test_only_rows_of_the_same_graphs_share_a_batch(open_executor: OpenExecutor) -> None:
    """Not those of a bundle and the one of its name that replaces it."""

    class Louder(FakeEngine):
        def denoise(self, *inputs: Any) -> Floats:
            return 2 * super().denoise(*inputs)

    voices = [fake_voice(engine()) for engine in (FakeEngine, Louder)]
    executor = open_executor()
    with held(executor):
        ears = [(voice, speak(executor, voice)[1]) for voice in voices * 2]
    for voice, ear in ears:
        np.testing.assert_array_equal(ear.audio(), voice.speak(SpeechRequest(TEXT)))


def test_hung_lane_is_replaced_and_others_go_on(
    open_executor: OpenExecutor, clock: Clock, gated_engine: GatedEngine
) -> None:
    synthesizer = fake_voice(gated_engine)
    executor = open_executor()
    stuck, ear = speak(executor, synthesizer)
    assert gated_engine.waiting.acquire(timeout=WAIT_S)
    clock.now_s = 1000.0  # the process was stopped meanwhile: the engine may still return
    assert [executor.replace_hung_lanes(3) for _ in range(4)] == [0, 0, 0, 1]
    assert executor.has_hung_threads
    error = ear.end()
    assert isinstance(error, EngineError)
    assert "has not returned after 3 heartbeats" in str(error)
    executor.remove(stuck)

    gated_engine.open.set()  # for who comes now
    _, second = speak(executor, synthesizer)
    assert len(second.audio())
    gated_engine.permits.release()
    assert ear.heard.empty()  # what the old lane made is thrown away


def test_a_stream_that_is_removed_hears_nothing_more(
    open_executor: OpenExecutor, gated_engine: GatedEngine
) -> None:
    executor = open_executor()
    stream, ear = speak(executor, fake_voice(gated_engine))
    assert gated_engine.waiting.acquire(timeout=WAIT_S)
    executor.remove(stream)
    assert executor.ask(lambda all: len(all.streams)) == 0
    gated_engine.free()
    assert executor.run(lambda: threading.current_thread().name).result(WAIT_S) == "lane-0"
    assert ear.heard.empty()  # the lane has come back
    assert gated_engine.calls.count("denoiser_3") == 1
    with pytest.raises(ZeroDivisionError):
        executor.run(lambda: 1 // 0).result(WAIT_S)


def test_a_listener_that_throws_loses_its_stream_and_no_other(
    synthesizer: Synthesizer, open_executor: OpenExecutor
) -> None:
    executor = open_executor()
    stream = Stream(COSTS, 3, 0.0, 5.0)
    executor.admit(stream)
    deaf: Any = Ear()
    deaf.on_chunk = Mock(side_effect=ValueError("a codec's own error"))
    executor.start(stream, synthesizer.job(synthesizer.read(SpeechRequest(TEXT))), deaf)
    assert isinstance(deaf.end(), ValueError)
    assert len(speak(executor, synthesizer)[1].audio())


def test_over_share_text_waits_without_blocking_others(
    open_executor: OpenExecutor, clock: Clock
) -> None:
    def stream(need: float, peer: str, audio_s: float = 0.0) -> Stream:
        lines = CostLines(LINE, LINE, LINE, 3, ((0.1, 0.003),), need, 73.5)
        return Stream(Costs(lines), 3, 0.0, audio_s, peer=peer, more_text=not audio_s)

    executor = open_executor()
    greedy = stream(0.18, "a")
    other = stream(0.02, "b")
    speaking = stream(0.5, "a", 100.0)
    for admitted in (greedy, other, speaking):
        executor.admit(admitted)
    text = executor.reserve(greedy, 50.0)
    assert text
    assert executor.reserve(other, 50.0) is None
    executor.add(other, [], 0.0)  # nothing in it can be spoken
    assert not other.left_s
    assert not text.starts.done()
    executor.remove(speaking)
    clock.now_s = 2.0
    text.starts.result(WAIT_S)


def test_a_lane_goes_on_with_the_stream_it_began(open_executor: OpenExecutor) -> None:
    engine, threads = FakeEngine(), set()

    def denoise(*arguments: Any) -> Floats:
        threads.add(threading.current_thread().name)
        return FakeEngine.denoise(engine, *arguments)

    engine.denoise = denoise  # type: ignore[method-assign]
    _, ear = speak(open_executor(lanes=4), fake_voice(engine))
    assert len(ear.audio())
    assert len(threads) == 1


def test_a_second_stream_wakes_an_idle_lane(open_executor: OpenExecutor) -> None:
    meeting = threading.Barrier(2)
    unlucky = fake_voice(UnluckyEngine(1, lambda: meeting.wait(WAIT_S)))
    executor = open_executor(lanes=2)
    ears = [speak(executor, unlucky, seed=1)[1] for _ in range(2)]
    assert all(len(ear.audio()) for ear in ears)
