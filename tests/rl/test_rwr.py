"""RWR: the denoising loss of own samples, weighted by their rewards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import REGRESSION
from dlpo.rl.core.conditions import keyed_noise
from dlpo.rl.core.method import Sample
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.rollout import TYPICAL_SAMPLES
from dlpo.rl.rwr import RWR
from tests.rl.conftest import Toy


def test_rwr_is_the_weighted_denoising_loss_of_own_samples(
    toy: type[Toy], served_chain: NoiseSchedule
) -> None:
    policy, temperature = toy.Policy(), 0.5
    rollout = toy.rollout(policy, served_chain, 6, group=3)
    rewards = torch.linspace(-1, 1, 6, dtype=torch.float64)[[3, 0, 5, 1, 4, 2]]
    expected = 0.0
    for sentence in (range(3), range(3, 6)):
        total = sum(np.exp(float(rewards[b]) / temperature) for b in sentence)
        drawn = keyed_noise((*rollout.keys[sentence[0]], REGRESSION, 0), 3, 1).double()
        for b in sentence:
            for k, alpha in enumerate(served_chain.alpha[:3]):
                sigma, eps = np.sqrt(1 - alpha**2), float(drawn[k, 0])
                noisy = alpha * float(rollout.output[b, 0]) + sigma * eps
                error = (eps - (noisy - alpha * (0.3 * noisy + 0.4)) / sigma) ** 2
                weight = np.exp(float(rewards[b]) / temperature) / total
                expected += weight * error / 3 / 2  # levels, sentences
    objective = Objective("rwr", temperature=temperature)
    method = RWR(toy.setup(toy.chain(policy, served_chain), objective))
    loss = method(Sample(1.0, rollout, method.compute_advantages(rollout, rewards)))
    assert TYPICAL_SAMPLES * loss.item() == pytest.approx(expected)
