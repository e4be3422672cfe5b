"""A voice that draws its pitch, exported: noise goes in at the encoder, and comes from the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.bundle import ENCODER_NOISE, VOICES, Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo_export.weights import fold_batch_norms, round_weights
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.synthesis.denoiser_input import pitch_noise

TEXT = "It goes up, and down again."


@pytest.fixture(scope="module")
def engine(drawing_bundle: Path) -> OnnxEngine:
    return OnnxEngine(Bundle.load(drawing_bundle), "fp32")


def test_the_manifest_tells_hosts_of_the_noise(drawing_bundle: Path, tiny_bundle: Path) -> None:
    manifest = Bundle.load(drawing_bundle).manifest
    assert manifest.requires == (ENCODER_NOISE, VOICES)
    assert manifest.pitch_points == 2
    without = Bundle.load(tiny_bundle).manifest
    assert without.requires == (VOICES,)
    assert without.pitch_points is None
    assert pitch_noise(without, 9, seed=0, index=0) is None


def test_pitch_noise_follows_the_symbol_not_the_audio(engine: OnnxEngine) -> None:
    short, long = (pitch_noise(engine.manifest, n, seed=3, index=1) for n in (5, 50))
    assert short is not None
    assert long is not None
    np.testing.assert_array_equal(short, long[:, :, :5])
    another = pitch_noise(engine.manifest, 50, seed=3, index=2)
    assert not np.array_equal(long, another)
    sound = np.random.default_rng([3, 1]).standard_normal((1, 50, 2), np.float32)
    assert not np.array_equal(long, sound.swapaxes(1, 2))


def test_the_graph_draws_what_torch_draws(engine: OnnxEngine, drawing_checkpoint: Path) -> None:
    model = fold_batch_norms(load_checkpoint(drawing_checkpoint).model)
    round_weights(model, 8)  # as the bundle's
    phonemes = np.arange(2, 42)[None]
    noise = pitch_noise(engine.manifest, 40, seed=0, index=0)
    assert noise is not None
    made = engine.encode(phonemes, noise)
    mask = torch.ones(1, 40, dtype=torch.bool)
    with torch.no_grad():
        hidden, _, _ = model.encode(
            torch.from_numpy(phonemes), mask, torch.from_numpy(noise), model.named_voice()
        )
    np.testing.assert_allclose(made.hidden, hidden.numpy(), atol=1e-4)

    counts, frames = np.full(40, 3), 120
    spoken = engine.frames(made, counts, 0, frames, 2.0)
    with torch.no_grad():
        conditioning, f0 = model.frames(
            hidden,
            torch.full((1, 40), 3.0),
            torch.from_numpy(made.ranges),
            torch.arange(frames) + 0.5,
            torch.tensor([2.0]),
            model.named_voice(),
        )
    np.testing.assert_allclose(spoken.f0, f0.numpy(), rtol=2e-3)
    np.testing.assert_allclose(spoken.conditioning, conditioning.numpy(), atol=2e-2)
