"""`lite`: shapes, what depends on what, and how far a step reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.audio import HOP_LENGTH, pre_emphasise
from dlpo.config.models import LITE, LiteConfig
from dlpo.errors import ConfigError
from dlpo.model.blocks import de_emphasise
from dlpo.model.build import build_model
from dlpo.model.lite import LiteWaveGrad2

PHONEMES = torch.tensor([[1, 12, 30, 2, 45, 60, 7]])
EVERYTHING = torch.ones_like(PHONEMES, dtype=torch.bool)


@torch.no_grad()
def conditioned(lite: LiteWaveGrad2, frames: int, pitch: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Conditioning and F0 of the test utterance, spread evenly over so many frames."""
    hidden, _, ranges = lite.encode(PHONEMES, EVERYTHING)
    durations = torch.full_like(ranges, frames / ranges.shape[1])
    positions = torch.arange(frames) + 0.5
    return lite.frames(hidden, durations, ranges, positions, torch.tensor([pitch]))


@torch.no_grad()
def test_padding_changes_nothing(lite: LiteWaveGrad2) -> None:
    padded = torch.cat([PHONEMES, torch.zeros(1, 5, dtype=torch.int64)], dim=1)
    mask = torch.cat([EVERYTHING, torch.zeros(1, 5, dtype=torch.bool)], dim=1)
    alone = lite.encode(PHONEMES, EVERYTHING)
    together = lite.encode(padded, mask)
    for a, b in zip(alone, together, strict=True):
        assert torch.allclose(a, b[..., :7], atol=1e-5)
    assert (together[1][:, 7:] == 0).all()


@torch.no_grad()
def test_only_marks_may_last_nothing(lite: LiteWaveGrad2) -> None:
    lite.timing_out.bias[1] = -100.0  # no mark is a pause
    _, durations, _ = lite.encode(PHONEMES, EVERYTHING)
    assert (durations[0] == 0).tolist() == [True, False, False, True, False, False, True]


@torch.no_grad()
def test_an_octave_up_doubles_f0(lite: LiteWaveGrad2) -> None:
    lite.prosody_out.bias[1] = 100.0  # all voiced
    _, low = conditioned(lite, 21)
    _, high = conditioned(lite, 21, pitch=12.0)
    assert torch.allclose(high, 2 * low, rtol=1e-4)


@torch.no_grad()
def test_a_step_reaches_no_further_than_its_convolutions_say() -> None:
    torch.manual_seed(0)
    lite = build_model(LITE).eval()
    frames, middle = 30, 15
    conditioning = torch.randn(1, LITE.conditioning_channels, frames)
    source = torch.zeros(1, frames * HOP_LENGTH)
    noisy = torch.randn(1, frames * HOP_LENGTH)
    changed = noisy.clone()
    changed[:, middle * HOP_LENGTH : (middle + 1) * HOP_LENGTH] += 1.0
    level = torch.tensor([0.5])
    difference = lite.denoise(noisy, level, conditioning, source) - lite.denoise(
        changed, level, conditioning, source
    )
    reached = difference.view(frames, HOP_LENGTH).abs().amax(1).nonzero()[:, 0]
    assert middle - 6 <= int(reached.min())
    assert int(reached.max()) <= middle + 6


def test_a_row_of_a_batch_is_what_it_is_alone(lite: LiteWaveGrad2) -> None:
    conditioning, _ = conditioned(lite, 12)
    batch = conditioning.expand(3, -1, -1)
    noisy = torch.randn(3, 12 * HOP_LENGTH, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([0.1, 0.5, 0.9])
    source = torch.zeros_like(noisy)
    together = lite.denoise(noisy, levels, batch, source)
    for i in range(3):
        row = slice(i, i + 1)
        alone = lite.denoise(noisy[row], levels[row], conditioning, source[row])
        assert torch.allclose(together[row], alone, atol=1e-5)


def test_a_hop_that_is_not_300_is_refused() -> None:
    with pytest.raises(ConfigError, match="320 samples; expected a hop of 300"):
        LiteConfig(patch=32, up_factors=(5, 2))


def test_de_emphasis_undoes_pre_emphasis() -> None:
    waveform = np.random.default_rng(1).uniform(-1, 1, 3000).astype(np.float32)
    restored = de_emphasise(torch.from_numpy(pre_emphasise(waveform))[None])
    np.testing.assert_allclose(restored[0].numpy(), waveform, atol=2e-6)


def test_response_is_shorter_than_a_frame() -> None:
    impulse = torch.zeros(1, 600)
    impulse[0, 0] = 1
    assert de_emphasise(impulse)[0, 256:].abs().max() == 0
