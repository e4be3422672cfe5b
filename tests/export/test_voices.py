"""Export of a checkpoint with several voices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlpo.bundle import SOURCE_TAPER, VOICES, Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.errors import InputError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo_export.options import ExportOptions
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.pipeline import export_bundle
from dlpo_export.tensorrt.check import sample_of


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
