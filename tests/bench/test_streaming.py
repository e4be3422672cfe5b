"""The three ways to stream give the same waveform, and count what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo_bench.compare import compare_samples
from dlpo_bench.record import read_record, write_record
from dlpo_bench.streaming import run, table
from dlpo_bench.streaming_costs import LADDERS, as_served, costs
from dlpo_bench.streaming_graphs import CachedChain, WavefrontStep
from dlpo_bench.streaming_methods import Cached, Method, Sentence, Wavefront, Window, joined
from dlpo_export.graphs import DenoiserGraph
from dlpo_serving.engine import Floats

METHODS = {"window", "wavefront", "cached"}
FRAMES, STEPS, REACH = 61, 2, 6  # frames, reverse steps, frames that a step sees


class Session:
    """A module with the face of an onnxruntime session."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in signature(self.module.forward).parameters]

    @torch.no_grad()
    def run(self, outputs: Sequence[str], inputs: dict[str, Any]) -> list[Floats]:
        values = self.module(*(torch.from_numpy(x.copy()) for x in inputs.values()))
        values = values if isinstance(values, tuple) else (values,)
        return [value.numpy() for value in values]


@pytest.fixture(scope="module")
def voice(tiny_checkpoint: Path) -> SimpleNamespace:
    """A sentence of noise, its whole waveform, and the three methods with all context."""
    model = load_checkpoint(tiny_checkpoint).model.eval()
    assert isinstance(model, LiteWaveGrad2)
    schedule = named_schedule("cosine", STEPS, 0.7)
    random = np.random.default_rng(0)

    def drawn(*shape: int) -> Floats:
        return random.standard_normal(shape, np.float32)

    noise = drawn(schedule.noise_count, 1, FRAMES, 300)
    sentence = Sentence(drawn(1, 16, FRAMES), drawn(1, FRAMES, 300), noise)
    graph = Session(DenoiserGraph(model, schedule))

    def denoise(conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        return graph.run(["waveform"], inputs)[0]

    chain = CachedChain(model, schedule)
    steps: Any = [Session(WavefrontStep(model, schedule, step)) for step in range(STEPS)]
    session: Any = Session(chain)
    methods: dict[str, Method] = {
        "window": Window(denoise, STEPS * REACH + 1),
        "wavefront": Wavefront(steps, REACH + 1),
        "cached": Cached(session, chain.delay_frames, chain.state_size),
    }
    whole = denoise(sentence.conditioning, sentence.source, sentence.noise).reshape(-1)
    return SimpleNamespace(sentence=sentence, whole=whole, methods=methods, chain=chain)


@pytest.mark.parametrize("method", ["window", "wavefront", "cached"])
@pytest.mark.parametrize("ladder", [(1, 30), (8,), (5, 3, 17), (100,)])
def test_chunks_equal_the_whole(
    voice: SimpleNamespace, method: str, ladder: tuple[int, ...]
) -> None:
    made = joined(voice.methods[method].stream(voice.sentence, ladder))

    np.testing.assert_allclose(made, voice.whole, atol=1e-5 * np.abs(voice.whole).max())


@pytest.mark.parametrize("method", ["window", "wavefront"])
def test_too_little_context_would_be_noticed(voice: SimpleNamespace, method: str) -> None:
    kept: Any = voice.methods[method]
    short = Wavefront(kept._steps, 1) if method == "wavefront" else Window(kept._denoise, 1)

    made = joined(short.stream(voice.sentence, (8,)))

    assert np.abs(made - voice.whole).max() > 1e-3 * np.abs(voice.whole).max()


def test_cached_state_denoises_every_frame_once(voice: SimpleNamespace) -> None:
    pieces = list(voice.methods["cached"].stream(voice.sentence, (10,)))

    assert pieces[0].denoised == 10 + voice.chain.delay_frames
    assert sum(piece.denoised for piece in pieces) == FRAMES + voice.chain.delay_frames


def test_a_window_costs_its_context_on_both_sides(voice: SimpleNamespace) -> None:
    pieces = list(voice.methods["window"].stream(voice.sentence, (15,)))

    assert pieces[0].denoised == 15 + 13
    assert pieces[1].denoised == 15 + 13 + 13


def test_a_wavefront_costs_its_halo_on_both_sides(voice: SimpleNamespace) -> None:
    pieces = list(voice.methods["wavefront"].stream(voice.sentence, (15,)))

    assert pieces[0].denoised == (15 + 14 + 15 + 7) / STEPS  # the first step goes on farther
    assert pieces[1].denoised == 15 + 7 + 7


def test_every_ladder_and_method_is_in_the_table(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    figures, _ = run(str(tiny_bundle), tiny_checkpoint, rounds=1, texts=1)

    assert figures["context"] == Bundle.load(tiny_bundle).manifest.context_frames(2)
    assert max(figures["largest_deviation"].values()) < 1e-4
    assert figures["cost"].keys() == LADDERS.keys()
    assert all(costs.keys() >= METHODS for costs in figures["cost"].values())
    rows = table(figures).splitlines()[2:]
    assert len(rows) == sum(len(costs) for costs in figures["cost"].values())
    assert all(
        cost["first_time"] > 0 and cost["later"] >= 1
        for costs in figures["cost"].values()
        for cost in costs.values()
    )


def test_times_of_each_round_are_kept_and_can_be_compared(
    voice: SimpleNamespace, tiny_bundle: Path, tmp_path: Path
) -> None:
    window = voice.methods["window"]
    figures, samples = costs(window._denoise, {"window": window}, voice.sentence, rounds=2)
    served, samples["served"] = as_served(Bundle.load(tiny_bundle), "Hum, hum.", rounds=2)

    kept = samples["cost"]["0.5 s"]["window"]
    assert len(samples["whole_ms"]) == 2
    assert figures["0.5 s"]["window"]["first_ms"] == min(kept["first_chunk_ms"])
    assert figures["0.5 s"]["window"]["time"] == min(kept["stream_ms"]) / min(samples["whole_ms"])
    assert served["first_chunk_ms"] == min(samples["served"]["first_chunk_ms"])
    record = read_record(write_record("streaming", {}, "x", tmp_path, samples=samples))
    ratios, problems = compare_samples(record, record)
    assert problems == []
    assert len(ratios) == 1 + 2 * len(LADDERS) + 3
    assert {ratio.verdict for ratio in ratios} == {"undecided"}  # a known way, no difference
