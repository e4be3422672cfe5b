"""Returns and advantages, against numpy and by what must change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.errors import InputError, TrainingError
from dlpo.rl.objectives import group_advantages, kl_returns


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


def test_each_step_pays_for_itself_and_what_follows() -> None:
    rewards = torch.tensor([10.0, 20.0])
    log_ratios = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    expected = torch.tensor([[10 - 0.1 * 9, 20 - 0.1 * 12], [9.2, 19.0], [9.5, 19.4]])
    torch.testing.assert_close(kl_returns(rewards, log_ratios, 0.1), expected)
