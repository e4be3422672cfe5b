"""Advantages and the clipped surrogate; gradients of methods are in test_brute_force.py."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.errors import InputError, TrainingError
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.policy_gradient import clipped_surrogate, group_advantages
from dlpo.rl.core.rollout import TYPICAL_SAMPLES, Rollout
from tests.rl.conftest import Toy

TARGET = 1.5
GROUPS = partial(group_advantages, group=4)


def reward(x0: Tensor) -> Tensor:
    """Best where the output is TARGET."""
    return -((x0 - TARGET) ** 2)


@pytest.fixture
def sampled(toy: type[Toy], noisy_chain: NoiseSchedule) -> Rollout:
    rollout: Rollout = toy.rollout(toy.Policy(), noisy_chain, 24, group=4)
    return rollout


def test_clipped_surrogate_equals_the_definition(toy: type[Toy], sampled: Rollout) -> None:
    moved = toy.Policy(0.45, 0.25)
    clip = 0.05
    asked = ChainPolicy(moved, sampled.schedule).replay(sampled)
    rewards = reward(sampled.output[:, 0])
    advantages = GROUPS(rewards).numpy()
    ratios = np.exp((asked.log_probs - sampled.log_probs).detach().numpy())
    total = 0.0
    for row in ratios:
        for rho, a in zip(row, advantages, strict=True):
            total -= min(rho * a, min(max(rho, 1 - clip), 1 + clip) * a)
    loss = TYPICAL_SAMPLES * clipped_surrogate(sampled, asked, GROUPS(rewards), clip)
    assert loss.item() == pytest.approx(total / 24)
    assert 0 < np.mean(np.abs(ratios - 1) > clip) < 1


@pytest.fixture
def returns() -> torch.Tensor:
    return torch.randn(3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_each_sentence_is_standardised_by_itself(returns: torch.Tensor) -> None:
    groups = returns.numpy().reshape(3, 2, 4)
    expected = (groups - groups.mean(-1, keepdims=True)) / groups.std(-1, keepdims=True)
    np.testing.assert_allclose(group_advantages(returns, 4).numpy(), expected.reshape(3, 8))


def test_seeds_that_did_equally_well_get_nothing() -> None:
    equal = torch.full((4,), 0.1) * 3 + torch.tensor([0.0, 1e-8, 0.0, 0.0])
    assert torch.equal(group_advantages(equal, 4), torch.zeros(4))


def test_outliers_are_bounded() -> None:
    returns = torch.zeros(64)
    returns[5] = 100.0
    advantages = group_advantages(returns, 64, bound=5.0)
    assert float(advantages[5]) == 5.0


@pytest.mark.parametrize("group", [0, 1, 3])
def test_group_without_comparison_is_refused(returns: torch.Tensor, group: int) -> None:
    with pytest.raises(InputError, match="whole groups of 2 or more"):
        group_advantages(returns, group)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_returns_that_are_not_finite_are_refused(returns: torch.Tensor, bad: float) -> None:
    returns[1, 3] = bad
    with pytest.raises(TrainingError, match="NaN or infinite"):
        group_advantages(returns, 4)
