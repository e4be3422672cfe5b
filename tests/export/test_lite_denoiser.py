"""lite's denoiser, rearranged for the run-times, computes what the trained module computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from dlpo.checkpoint import load_checkpoint
from dlpo.model.lite import LiteWaveGrad2
from dlpo_export.layouts import ChannelsFirst, ChannelsLast, Layout, LiteDenoiser

LAYOUTS = pytest.mark.parametrize("layout", [ChannelsFirst(), ChannelsLast()])


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> LiteWaveGrad2:
    model = load_checkpoint(tiny_checkpoint).model
    assert isinstance(model, LiteWaveGrad2)
    return model


@LAYOUTS
@pytest.mark.parametrize(("batch", "frames"), [(1, 1), (2, 9)])
@torch.no_grad()
def test_rearranged_denoiser_equals_the_model(
    model: LiteWaveGrad2, layout: Layout, batch: int, frames: int
) -> None:
    generator = torch.Generator().manual_seed(3)
    noisy, source = torch.randn(2, batch, frames * 300, generator=generator)
    channels = model.config.conditioning_channels
    conditioning = torch.randn(batch, channels, frames, generator=generator)
    level = torch.tensor([0.4])

    made = LiteDenoiser(model, layout)(noisy, level, conditioning, source)

    expected = model.denoise(noisy, level, conditioning, source)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)


@LAYOUTS
@pytest.mark.parametrize("factor", [2, 3, 5])
@torch.no_grad()
def test_merged_upsampling_equals_upsampling_before_the_convolution(
    layout: Layout, factor: int
) -> None:
    torch.manual_seed(4)
    convolution = nn.Conv1d(3, 4, 3, padding=1)
    x = torch.randn(2, 6, 3)  # (B, L, C)

    made = layout.leave(layout.upsampled_convolution(convolution, factor)(layout.enter(x)))

    upsampled = functional.interpolate(x.mT, scale_factor=factor)
    torch.testing.assert_close(made, convolution(upsampled).mT, atol=1e-6, rtol=1e-5)
