"""The diffusion loss on recordings is training's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.policy import RecordedSamples
from tests.rl.conftest import Toy


def test_diffusion_loss_equals_the_definition(toy: type[Toy], served_chain: NoiseSchedule) -> None:
    policy = toy.Policy()
    clean = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None]
    recorded = RecordedSamples(toy.conditions(8), clean)
    loss = toy.chain(policy, served_chain).diffusion_loss(
        recorded, torch.Generator().manual_seed(3)
    )

    drawn = torch.Generator().manual_seed(3)
    steps = torch.randint(3, (8,), generator=drawn).numpy()
    noise = torch.randn(8, 1, generator=drawn).double().numpy()[:, 0]
    alpha = served_chain.alpha[steps]
    x0 = clean.numpy()[:, 0]
    noisy = alpha * x0 + np.sqrt(1 - alpha**2) * noise
    assert loss.item() == pytest.approx(np.abs(0.3 * noisy + 0.4 - x0).mean(), rel=1e-5)
    assert len(set(steps)) == 3
