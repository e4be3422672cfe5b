"""Each method's gradient against brute force: chains run again with one step's weights moved.

The chain has one or two samples and its noise goes through all nodes of a quadrature, so that means
over it are exact expectations, and differences of them, over a small move of what one step knows,
are the gradient. Nothing here knows of scores, ratios or advantages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import MethodName, Objective
from dlpo.rl.core.rollout import TYPICAL_SAMPLES, Rollout
from dlpo.rl.methods import METHODS
from tests.rl.conftest import Toy

ALPHA = 0.7
BETA = 0.2
KL_WEIGHT = 0.3
OWN, REFERENCE = (0.4, 0.3), (0.1, 0.5)  # bias and weight: x0 = weight x + bias
MOVE = 1e-4
Values = NDArray[np.float64]
Weights = tuple[float, float]


class Chain:
    """The chains of a rollout, run again in numpy from the same noise."""

    def __init__(self, rollout: Rollout, quadrature: Tensor) -> None:
        self.schedule = rollout.schedule
        self.scored = rollout.scored
        self.start = rollout.states[0].numpy()
        self.drawn = (rollout.states[1:] - rollout.means).detach().numpy()
        self.quadrature = quadrature.numpy()

    def mean(self, x: Values, k: int, weights: Weights) -> Values:
        """Of step k. Song et al. 2021, eq. 12: predicted x0 and the direction back to x_k."""
        bias, weight = weights
        (a, b), std = self.schedule.noise_levels[k : k + 2], self.schedule.posterior_std[k]
        x0 = weight * x + bias
        eps = (x - a * x0) / np.sqrt(1 - a * a)
        return np.asarray(b * x0 + np.sqrt(max(0.0, 1 - b * b - std * std)) * eps)

    def states(self, weights: list[Weights]) -> list[Values]:
        """(B, T) x of each level, under the weights of each step."""
        states = [self.start]
        for k, own in enumerate(weights):
            states.append(self.mean(states[-1], k, own) + self.drawn[k])
        return states

    def moved(self, k: int, i: int, by: float) -> list[Weights]:
        """Everybody's own weights, but for weight i of step k."""
        changed = (OWN[0] + by * (i == 0), OWN[1] + by * (i == 1))
        return [changed if j == k else OWN for j in range(self.schedule.steps)]

    def expected(self, values: Values) -> float:
        return float((values * self.quadrature).mean())


def reward(x0: Any) -> Any:
    """(B, T) -> (B,)"""
    return -((x0.mean(-1) - 1.5) ** 2)


def guide(x0: Any, s: int) -> Any:
    """A diffusion loss of scored step s, as a function of the output."""
    return (s + 1) * (x0**2).mean(-1)


def returned(chain: Chain, weights: list[Weights], s: int) -> Values:
    return np.asarray(reward(chain.states(weights)[-1]))


def returned_of_onlydl(chain: Chain, weights: list[Weights], s: int) -> Values:
    return np.asarray(-guide(chain.states(weights)[-1], s))


def returned_of_dlpo(chain: Chain, weights: list[Weights], s: int) -> Values:
    x0 = chain.states(weights)[-1]
    return np.asarray(ALPHA * reward(x0) - BETA * guide(x0, s))


def returned_of_dpok(chain: Chain, weights: list[Weights], s: int) -> Values:
    """Less the divergence of the step, in the states that the policy came to before it moved."""
    k = chain.scored[s]
    x, std = chain.states([OWN] * chain.schedule.steps)[k], chain.schedule.posterior_std[k]
    apart = chain.mean(x, k, weights[k]) - chain.mean(x, k, REFERENCE)
    divergence = (apart**2 / (2 * std**2)).sum(-1)
    return np.asarray(returned(chain, weights, s) - KL_WEIGHT * divergence)


def returned_of_klinr(chain: Chain, weights: list[Weights], s: int) -> Values:
    """Less the log-ratios of the whole chain's actions."""
    states, total = chain.states(weights), returned(chain, weights, s)
    for k in chain.scored:
        x = states[k]
        following = states[k + 1]
        std = chain.schedule.posterior_std[k]
        own, theirs = chain.mean(x, k, weights[k]), chain.mean(x, k, REFERENCE)
        ratio = ((following - theirs) ** 2 - (following - own) ** 2) / (2 * std**2)
        total = total - KL_WEIGHT * ratio.sum(-1)
    return total


class Guided(ChainPolicy):
    """A chain whose diffusion loss is the function above."""

    def own_loss(self, drawn: Rollout, draws: int) -> Tensor:
        return torch.stack([guide(drawn.output, s) for s in range(len(drawn.scored))])


RETURNS: dict[MethodName, Callable[..., Values]] = {
    "ddpo": returned,
    "dpok": returned_of_dpok,
    "klinr": returned_of_klinr,
    "onlydl": returned_of_onlydl,
    "dlpo": returned_of_dlpo,
}


@pytest.mark.parametrize("method", RETURNS)
@pytest.mark.parametrize(
    ("name", "samples"), [("noisy_chain", 1), ("served_chain", 1), ("noisy_chain", 2)]
)
def test_gradient_is_that_of_chains_run_again(
    toy: type[Toy], method: MethodName, name: str, samples: int, request: pytest.FixtureRequest
) -> None:
    schedule: NoiseSchedule = request.getfixturevalue(name)
    policy = toy.Policy(*OWN)
    nodes = 7 if samples == 1 else 3
    rollout, quadrature = toy.enumerated(policy, schedule, nodes, samples)
    # The same constant for sentences of one sample and of two.
    value = TYPICAL_SAMPLES * weighted(learner(toy, method, policy, schedule), rollout, quadrature)
    found = torch.stack(torch.autograd.grad(-value, [policy.bias, policy.weight]))

    chain, return_of = Chain(rollout, quadrature), RETURNS[method]
    expected = np.zeros(2)
    for s, k in enumerate(rollout.scored):
        for i in range(2):
            ahead, behind = (
                chain.expected(return_of(chain, chain.moved(k, i, by), s)) for by in (MOVE, -MOVE)
            )
            expected[i] += (ahead - behind) / (2 * MOVE)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(expected).max() > 0.1


def learner(toy: Any, method: MethodName, policy: Any, schedule: NoiseSchedule) -> RolloutMethod:
    """A method whose advantage is the return itself."""
    weights = {"alpha": ALPHA, "beta": BETA, "kl_weight": KL_WEIGHT}
    objective = Objective(method, **weights, guide="return")
    reference = ChainPolicy(toy.Policy(*REFERENCE), schedule)
    setup = toy.setup(Guided(policy, schedule), objective, reference=reference)
    made = METHODS[method](setup)
    assert isinstance(made, RolloutMethod)
    made.advantage = lambda returns: returns  # type: ignore[method-assign]
    return made


class Nodes(Rollout):
    """Chains that count as much as their nodes of the quadrature."""

    quadrature: Tensor

    @property
    def lengths(self) -> Tensor:
        return super().lengths * self.quadrature


def weighted(method: RolloutMethod, rollout: Rollout, quadrature: Tensor) -> Tensor:
    """The loss's mean over the nodes of the quadrature."""
    nodes = Nodes(*(getattr(rollout, field.name) for field in fields(rollout)))
    object.__setattr__(nodes, "quadrature", quadrature)
    weights = method.compute_advantages(rollout, reward(rollout.output))
    loss: Tensor = method(Sample(1.0, nodes, weights))
    return loss
