"""Judges with a gradient: the same scores as without, and a gradient that is true."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import listen_at
from dlpo.rl.direct import DifferentiableJudge, SpectralResampler

RATE = 22_050  # Hz
KEYS = ((0, 0, 0, 0), (0, 0, 1, 0))


def test_waveforms_arrive_as_they_do_at_the_judge() -> None:
    random = np.random.default_rng(0)
    hiss = 0.1 * random.standard_normal(7_777).astype(np.float32) * np.hanning(7_777)
    expected = listen_at(16_000, [hiss.astype(np.float32)], RATE)[0]
    found = SpectralResampler(RATE, 16_000)(torch.from_numpy(hiss).float())
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_resampling_is_differentiable() -> None:
    x = torch.randn(
        31, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    assert torch.autograd.gradcheck(SpectralResampler(5, 3), x)


@pytest.fixture(scope="module")
def distillmos() -> DistillMOS:
    return DistillMOS()


@pytest.fixture
def speech() -> torch.Tensor:
    """Two hums that fade in and out, the first shorter."""
    at = np.arange(RATE) / RATE
    hums = [sum(np.cos(2 * np.pi * k * f0 * at) / k for k in range(1, 20)) for f0 in (120, 210)]
    fades = np.zeros((2, RATE))
    fades[0, : RATE // 2], fades[1] = np.hanning(RATE // 2), np.hanning(RATE)
    waveforms = 0.05 * np.stack(hums) * fades
    return torch.from_numpy(waveforms.astype(np.float32))


def test_scores_are_those_of_the_judge(distillmos: DistillMOS, speech: torch.Tensor) -> None:
    lengths = torch.tensor([RATE // 2, RATE])
    ours = DifferentiableJudge(distillmos)(speech, lengths, KEYS)
    clips = [row[:n].numpy() for row, n in zip(speech, lengths.tolist(), strict=True)]
    np.testing.assert_allclose(ours.numpy(), distillmos.score(clips, RATE), atol=0.005)


def test_a_step_along_the_gradient_raises_the_score(
    distillmos: DistillMOS, speech: torch.Tensor
) -> None:
    reward = DifferentiableJudge(distillmos)
    lengths = torch.tensor([RATE])
    heard = speech[1:].clone().requires_grad_()
    before = reward(heard, lengths, KEYS[:1])
    before.sum().backward()
    assert heard.grad is not None
    assert bool(torch.isfinite(heard.grad).all())  # though the judge pads with silence
    moved = speech[1:] + 1e-3 * heard.grad / heard.grad.norm() * speech[1:].norm()
    assert float(reward(moved, lengths, KEYS[:1])) > before.item()
    assert all(parameter.grad is None for parameter in distillmos.network.parameters())
