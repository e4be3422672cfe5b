"""How far the frames graph sees, so that a host may compute a sentence block by block."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from dlpo.config import LiteConfig, WaveGrad2Config
from dlpo.model.build import Model, build_model
from dlpo_export.graphs import EncoderGraph, frames_context

LITE = LiteConfig(
    hidden_channels=16,
    encoder_blocks=1,
    prosody_blocks=2,
    mel_blocks=2,
    conditioning_channels=16,
    conditioning_blocks=1,
)
WAVEGRAD2 = dataclasses.replace(
    WaveGrad2Config(), encoder_channels=16, speaker_channels=4, predictor_channels=8
)


def frames_of(model: Model, positions: Tensor) -> tuple[Tensor, Tensor]:
    hidden, _, ranges = EncoderGraph(model)(torch.arange(1, 31)[None])
    durations = torch.full((1, 30), 4.0)
    return model.frames(hidden, durations, ranges, positions, torch.zeros(1))


@pytest.mark.parametrize(
    ("config", "expected"),
    [(LITE, 2 * 2 + 1 + 2 * 2 + 1 + 1), (WAVEGRAD2, 0)],  # half of each kernel on the way
    ids=["lite", "wavegrad2"],
)
def test_the_measured_context_is_that_of_the_kernels(
    config: LiteConfig | WaveGrad2Config, expected: int
) -> None:
    torch.manual_seed(0)

    assert frames_context(build_model(config).eval()) == expected


@torch.no_grad()
def test_a_block_with_that_context_equals_the_whole_sentence() -> None:
    torch.manual_seed(0)
    model = build_model(LITE).eval()
    context = frames_context(model)
    positions = torch.arange(120) + 0.5

    conditioning, f0 = frames_of(model, positions)
    block, block_f0 = frames_of(model, positions[50 - context : 60 + context])

    inside = slice(context, context + 10)
    torch.testing.assert_close(block[:, :, inside], conditioning[:, :, 50:60], atol=1e-5, rtol=0)
    torch.testing.assert_close(block_f0[:, inside], f0[:, 50:60], atol=1e-3, rtol=0)
