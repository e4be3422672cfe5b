"""What the graphs cost, measured on an engine whose time is known."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from dlpo.errors import EngineError
from dlpo.text import TextFrontEnd
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.scheduling.stream import Costs
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voice_registry import measure_costs

ENCODE_S, SYMBOL_S = 0.004, 0.0001
BLOCK_S, FRAME_S = 0.002, 0.00005
WINDOW_S, WINDOW_FRAME_S = 0.003, 0.0002


class TimedEngine(FakeEngine):
    """Takes time by a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        self.now += ENCODE_S + SYMBOL_S * phonemes.shape[1]
        return super().encode(phonemes, noise)

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        self.now += BLOCK_S + FRAME_S * (stop - start)
        return super().frames(encoding, counts, start, stop, pitch_semitones)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        self.now += WINDOW_S + WINDOW_FRAME_S * conditioning.shape[2]
        return super().denoise(steps, conditioning, source, noise)


@pytest.fixture
def costs(front_end: TextFrontEnd) -> Costs:
    engine = TimedEngine()
    return Costs(measure_costs(Synthesizer(engine, front_end), clock=engine.clock))


def test_the_lines_are_those_of_the_engine(costs: Costs) -> None:
    lines = costs.lines
    found = [
        (line.fixed_s, line.per_item_s) for line in (lines.encode, lines.frames, lines.denoise)
    ]
    expected = [(ENCODE_S, SYMBOL_S), (BLOCK_S, FRAME_S), (WINDOW_S, WINDOW_FRAME_S)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_begin_of_a_text_is_known_chunk_by_chunk(costs: Costs) -> None:
    made_s, spent_s = np.array(costs.lines.startup).T
    np.testing.assert_allclose(made_s[:3], np.cumsum([8, 24, 64]) / 73.5)
    assert made_s[3] >= (8 + 24 + 64 + 128) / 73.5  # it may take the rest of the sentence along
    assert np.all(np.diff(spent_s) > 0)
    assert spent_s[0] > ENCODE_S + BLOCK_S + WINDOW_S


def test_texts_teach_how_long_texts_are(costs: Costs) -> None:
    for _ in range(200):
        costs.observe_text(100, 10.0, speed=2.0)
    assert costs.audio_s(100, speed=2.0) == pytest.approx(10.0, rel=1e-3)
    assert costs.audio_s(100, speed=1.0) == pytest.approx(20.0, rel=1e-3)


def test_work_is_the_rest_of_it_and_never_negative(costs: Costs) -> None:
    steps = costs.lines.steps
    whole = costs.work_s(20.0, 0.0, steps)
    assert whole == pytest.approx(
        costs.work_s(5.0, 0.0, steps) + costs.work_s(20.0, 5.0, steps), rel=1e-9
    )
    assert costs.work_s(5.0, 20.0, steps) == 0.0
    assert costs.work_s(20.0, 0.0, 2 * steps) == pytest.approx(2 * whole)


def test_other_lanes_are_kept_busy_while_one_is_measured(front_end: TextFrontEnd) -> None:
    class Watched(FakeEngine):
        def __init__(self) -> None:
            super().__init__()
            self.threads: set[int] = set()

        def denoise(
            self, steps: int, conditioning: Floats, source: Floats, noise: Floats
        ) -> Floats:
            self.threads.add(threading.get_ident())
            return super().denoise(steps, conditioning, source, noise)

    engine = Watched()
    measure_costs(Synthesizer(engine, front_end), lanes=3)
    assert threading.get_ident() in engine.threads
    assert len(engine.threads) >= 2


def test_an_engine_that_fails_fails_the_warm_up(front_end: TextFrontEnd) -> None:
    class Broken(FakeEngine):
        def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
            raise EngineError("no memory")

    with pytest.raises(EngineError, match="no memory"):
        measure_costs(Synthesizer(Broken(), front_end), lanes=2)
