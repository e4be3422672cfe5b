"""Steps with noise of their own, to the papers' ten: exported as one graph, and served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.diffusion import sample
from dlpo.noise_schedule import named_schedule
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

CHAIN = "logarithmic@2,0.8"  # scales two steps


@pytest.fixture(scope="module", params=[3, pytest.param(10, marks=pytest.mark.full)])
def steps(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def bundle(steps: int, tiny_checkpoint: Path, export_toy: Callable[..., Path]) -> Path:
    options = {"steps": (steps,), "default_steps": steps, "schedule": CHAIN, "eta": 1.0}
    out = tiny_checkpoint.parent / f"{steps}_steps"
    return export_toy(tiny_checkpoint, out, precisions=("fp32",), weight_bits=32, **options)


def test_many_steps_are_one_graph_that_computes_the_chain(
    steps: int, bundle: Path, tiny_checkpoint: Path
) -> None:
    model, chain = load_checkpoint(tiny_checkpoint).model, named_schedule(CHAIN, steps, 1.0)
    random = np.random.default_rng(0)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300)}
    inputs = {name: random.standard_normal(s, np.float32) for name, s in shapes.items()}
    inputs["noise"] = random.standard_normal((chain.noise_count, 1, 7, 300), np.float32)
    graph = OpenGraph(Bundle.load(bundle).graph_path(f"denoiser_{steps}"))
    (found,) = graph.run(inputs).values()
    given = {name: torch.from_numpy(value) for name, value in inputs.items()}
    source, noise = given["source"].flatten(1), given["noise"].flatten(2)
    with torch.no_grad():
        x0 = sample(model.denoise, chain, given["conditioning"], source, noise)
        expected = model.to_waveform(x0)
    np.testing.assert_allclose(found.reshape(1, -1), expected.numpy(), atol=1e-4)


def test_many_steps_are_served_chunk_by_chunk(steps: int, bundle: Path) -> None:
    voice = open_voice(bundle)
    call = voice.read(SpeechRequest("Ten steps, one by one.", seed=3))
    whole = voice.speak(SpeechRequest("Ten steps, one by one.", seed=3))
    chunks = [chunk.samples for chunk in voice.stream(call, (4,))]
    assert voice.manifest.steps == steps
    assert len(chunks) > 1
    np.testing.assert_allclose(np.concatenate(chunks), whole, atol=1e-4)
    assert np.abs(whole).max() > 1e-2
