"""Where speech is rough: periodicity, bursts and combs of signals that are known to have them."""

from __future__ import annotations

import math

import pytest
import torch

from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid
from dlpo.training.texture import burst_loss, comb, periodicity, periodicity_loss, rises

GRIDS = pytest.mark.parametrize("grid", [PUBLISHED_GRID, FrameGrid(24_000, 240)], ids=str)
FRAMES = 48


def noise(grid: FrameGrid, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, FRAMES * grid.hop_length, generator=torch.Generator().manual_seed(seed))


def voice(grid: FrameGrid, hertz: float) -> torch.Tensor:
    """(2, T): all harmonics up to 8 kHz."""
    seconds = torch.arange(FRAMES * grid.hop_length).double() / grid.sample_rate_hz
    harmonics = range(1, int(8000 / hertz))
    waves = sum(torch.cos(2 * math.pi * k * hertz * seconds + k * k) for k in harmonics)
    assert isinstance(waves, torch.Tensor)
    return (waves / len(harmonics) ** 0.5).float().repeat(2, 1)


def voiced(hertz: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((2, FRAMES), math.log(hertz)), torch.ones(2, FRAMES)


@GRIDS
@pytest.mark.parametrize("hertz", [101.3, 217.9])
def test_a_voice_repeats_and_noise_does_not(grid: FrameGrid, hertz: float) -> None:
    whole, counted = periodicity(voice(grid, hertz), grid, *voiced(hertz))
    assert whole[:, :, 1:-1].min() > 0.97  # the period isn't a whole number of samples
    assert counted[:, 1:-1].min() == 6
    rough, _ = periodicity(noise(grid), grid, *voiced(hertz))
    assert rough[:, :, 1:-1].max() < 0.4


@GRIDS
def test_a_mixture_lies_between(grid: FrameGrid) -> None:
    """Equal powers of both: the correlation is the periodic share of the power, a half."""
    mixed = voice(grid, 150.0) / voice(grid, 150.0).std() + noise(grid) / noise(grid).std()
    found, _ = periodicity(mixed, grid, *voiced(150.0))
    shares = found[:, :, 1:-1].mean((0, 2))
    periodic = 8000 / (grid.sample_rate_hz / 2)  # the voice's power is all below 8 kHz
    expected = (1 / periodic) / (1 / periodic + 1)
    assert shares.tolist() == pytest.approx([expected] * 3, abs=0.08)


def test_unvoiced_frames_do_not_count() -> None:
    log_f0, voicing = voiced(150.0)
    grid = PUBLISHED_GRID
    off = periodicity_loss(noise(grid), voice(grid, 150.0), grid, log_f0, 0 * voicing)
    on = periodicity_loss(noise(grid), voice(grid, 150.0), grid, log_f0, voicing)
    assert off == 0
    assert on > 0.5


@GRIDS
def test_soft_bursts_cost_and_late_ones_do_not(grid: FrameGrid) -> None:
    rate, middle = grid.sample_rate_hz, FRAMES * grid.hop_length // 2
    held = torch.full((2, FRAMES * grid.hop_length), 0.01)
    burst = held.clone()
    soft = held.clone()
    late = held.clone()
    burst[:, middle:] = 1.0
    late[:, middle + round(0.004 * rate) :] = 1.0
    soft[:, middle:] = torch.linspace(0.01, 1, middle * 2 - middle).clamp(min=0.01)
    recorded = noise(grid) * burst
    assert rises(recorded, rate).max() > 25
    assert burst_loss(recorded, recorded, rate) == 0
    assert burst_loss(noise(grid, 1) * late, recorded, rate) < 0.8
    assert burst_loss(noise(grid, 1) * soft, recorded, rate) > 1.5


@GRIDS
def test_a_comb_is_what_repeats_every_hop(grid: FrameGrid) -> None:
    hop, rate = grid.hop_length, grid.sample_rate_hz
    tooth = torch.randn(hop, generator=torch.Generator().manual_seed(3)).repeat(FRAMES)
    assert comb(noise(grid), rate, hop) < 1e-3
    shares = [float(comb(noise(grid) + level * tooth, rate, hop)) for level in (0.3, 1.0)]
    assert shares == pytest.approx([0.09 / 1.09, 0.5], rel=0.15)


def test_gradients_are_finite_in_silence() -> None:
    grid = PUBLISHED_GRID
    made = torch.zeros(2, FRAMES * grid.hop_length, requires_grad=True)
    target = voice(grid, 150.0)
    loss = periodicity_loss(made, target, grid, *voiced(150.0))
    loss = loss + burst_loss(made, target, grid.sample_rate_hz)
    (loss + comb(made, grid.sample_rate_hz, 150)).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()
