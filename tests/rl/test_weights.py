"""Exploring weights: the return of a pair, and what can't be explored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dlpo.errors import ConfigError, TrainingError
from dlpo.rl.objective import Objective
from dlpo.rl.weights import return_differences
from tests.rl.conftest import Tuning


def test_return_is_scaled_reward_minus_diffusion_loss() -> None:
    r, dl = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.01, 0.03, -0.02])
    plain = Objective("dlpo", "weights", alpha=0.5, beta=3.0)
    torch.testing.assert_close(return_differences(r, dl, plain), 0.5 * r - 3 * dl)

    def even(r: Tensor, dl: Tensor) -> Tensor:
        return return_differences(r, dl, Objective("dlpo", "weights", unit_spread=True))

    torch.testing.assert_close(even(7 * r, 1e-3 * dl), even(r, dl))
    assert torch.equal(even(r, 0 * dl), even(r, dl * 0))
    with pytest.raises(TrainingError, match="lower explore_std"):
        even(r * float("nan"), dl)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"group": 3}, "expected an even number"), ({"passes": 2}, "passes is 2; expected 1")],
)
def test_settings_that_can_not_explore_weights_are_refused(
    settings: dict[str, int], message: str, tuning: Tuning
) -> None:
    with pytest.raises(ConfigError, match=message):
        tuning.tuner(objective=Objective("dlpo", "weights"), **settings)
