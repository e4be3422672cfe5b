"""A voice that draws its pitch, and one of several voices, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlpo.bundle import ENCODER_NOISE, SOURCE_TAPER, VOICES, Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.errors import InputError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo_export.options import ExportOptions
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.pipeline import export_bundle
from dlpo_export.tensorrt.check import sample_of
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


def test_default_offer_is_each_speakers_first_session(voices_bundle: Path) -> None:
    manifest = Bundle.load(voices_bundle).manifest
    assert (manifest.voice, manifest.voices) == ("ann", ("ann", "bob"))
    assert manifest.requires == (VOICES, SOURCE_TAPER)
    assert manifest.source.taper_hz == manifest.grid.taper_hz == 4000


def test_the_encoder_mixes_voices_by_their_shares(
    voices_bundle: Path, voices_checkpoint: Path
) -> None:
    bundle, model = Bundle.load(voices_bundle), load_checkpoint(voices_checkpoint).model
    assert isinstance(model, SpectralWaveGrad2)
    phonemes = np.array([[1, 30, 40, 2]], np.int64)

    def hidden(*shares: float) -> NDArray[Any]:
        inputs = {"phonemes": phonemes, "voice": np.array([shares], np.float32)}
        return OpenGraph(bundle.graph_path("encoder")).run(inputs)["hidden"]

    ann, bob = (model.voice(torch.tensor([model.config.rows(v)])) for v in ("ann", "bob"))
    mask = torch.ones(1, 4, dtype=torch.bool)
    for share in (1.0, 0.3):
        with torch.no_grad():
            voice = share * ann + (1 - share) * bob
            expected, _, _ = model.encode(torch.from_numpy(phonemes), mask, None, voice)
        np.testing.assert_allclose(hidden(share, 1 - share), expected, atol=1e-4)


def test_a_denoiser_of_several_voices_is_checked(voices_bundle: Path) -> None:
    assert sample_of(Bundle.load(voices_bundle), 1, "fp32", 20).expected.shape == (1, 20, 300)


def test_unknown_voices_are_refused_before_any_work(
    voices_checkpoint: Path, base_checkpoint: Path, tmp_path: Path
) -> None:
    options = ExportOptions(steps=(1,), default_steps=1, voices={"carl": "carl"})
    with pytest.raises(InputError, match=r"carl.*ann, ann/studio, bob"):
        export_bundle(voices_checkpoint, tmp_path / "bundle", options)
    with pytest.raises(InputError, match="one voice"):
        export_bundle(base_checkpoint, tmp_path / "bundle", options)
