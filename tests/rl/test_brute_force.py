"""Each method's gradient against brute force: chains run again with one step's weights moved.

The chain has one sample and its noise goes through all nodes of a quadrature, so that means over it
are exact expectations, and differences of them, over a small move of what one step knows, are the
gradient. Nothing here knows of scores, ratios or advantages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.objectives import ddpo_loss, dlpo_loss, dpok_loss, group_advantages, klinr_loss
from dlpo.rl.rollout import Replay, Rollout, replay, roll_out, seed_keys
from tests.rl.conftest import rows_of

ALPHA, BETA, KL_WEIGHT = 0.7, 0.2, 0.3
OWN, REFERENCE = (0.4, 0.3), (0.1, 0.5)  # bias and weight: x0 = weight x + bias
MOVE = 1e-4
Values = NDArray[np.float64]
Weights = tuple[float, float]


class Chain:
    """The chains of a rollout, run again in numpy from the same noise."""

    def __init__(self, rollout: Rollout, quadrature: Tensor) -> None:
        self.schedule, self.scored = rollout.schedule, rollout.scored
        self.start = rollout.states[0, :, 0].numpy()
        self.drawn = (rollout.states[1:] - rollout.means)[:, :, 0].detach().numpy()
        self.quadrature = quadrature.numpy()

    def mean(self, x: Values, k: int, weights: Weights) -> Values:
        """Of step k. Song et al. 2021, eq. 12: predicted x0 and the direction back to x_k."""
        bias, weight = weights
        (a, b), std = self.schedule.noise_levels[k : k + 2], self.schedule.posterior_std[k]
        x0 = weight * x + bias
        eps = (x - a * x0) / np.sqrt(1 - a * a)
        return np.asarray(b * x0 + np.sqrt(max(0.0, 1 - b * b - std * std)) * eps)

    def states(self, weights: list[Weights]) -> list[Values]:
        """x of each level, under the weights of each step."""
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
    return -((x0 - 1.5) ** 2)


def guide(x0: Any, s: int) -> Any:
    """A diffusion loss of scored step s, as a function of the output."""
    return (s + 1) * x0**2


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
    return np.asarray(returned(chain, weights, s) - KL_WEIGHT * apart**2 / (2 * std**2))


def returned_of_klinr(chain: Chain, weights: list[Weights], s: int) -> Values:
    """Less the log-ratios of the whole chain's actions."""
    states, total = chain.states(weights), returned(chain, weights, s)
    for k in chain.scored:
        x, following, std = states[k], states[k + 1], chain.schedule.posterior_std[k]
        own, theirs = chain.mean(x, k, weights[k]), chain.mean(x, k, REFERENCE)
        ratio = ((following - theirs) ** 2 - (following - own) ** 2) / (2 * std**2)
        total = total - KL_WEIGHT * ratio
    return total


def guides(rollout: Rollout) -> Tensor:
    output = rollout.output[:, 0]
    return torch.stack([guide(output, s) for s in range(len(rollout.scored))])


# method -> loss of (rollout, replay, reference, rewards, advantage), and what it ascends
METHODS: dict[str, tuple[Callable[..., Tensor], Callable[..., Values]]] = {
    "DDPO": (lambda x, asked, ref, r, a: ddpo_loss(x, asked, r, a), returned),
    "DPOK": (lambda *given: dpok_loss(*given, KL_WEIGHT), returned_of_dpok),
    "KLinR": (lambda *given: klinr_loss(*given, KL_WEIGHT), returned_of_klinr),
    "OnlyDL": (
        lambda x, asked, ref, r, a: dlpo_loss(x, asked, guides(x), 0 * r, a),
        returned_of_onlydl,
    ),
    "DLPO": (
        lambda x, asked, ref, r, a: dlpo_loss(x, asked, guides(x), r, a, ALPHA, BETA),
        returned_of_dlpo,
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["noisy_chain", "served_chain"])
def test_gradient_equals_that_of_chains_run_again_with_moved_weights(
    toy: Any, method: str, name: str, request: pytest.FixtureRequest
) -> None:
    schedule: NoiseSchedule = request.getfixturevalue(name)
    loss, return_of = METHODS[method]
    policy = toy.Policy(*OWN)
    rollout, quadrature = toy.enumerated(policy, schedule)
    with torch.no_grad():
        reference = replay(toy.Policy(*REFERENCE), rollout)
    value = weighted(loss, rollout, replay(policy, rollout), reference, quadrature)
    found = torch.stack(torch.autograd.grad(-value, [policy.bias, policy.weight]))

    chain = Chain(rollout, quadrature)
    expected = np.zeros(2)
    for s, k in enumerate(rollout.scored):
        for i in range(2):
            ahead, behind = (
                chain.expected(return_of(chain, chain.moved(k, i, by), s)) for by in (MOVE, -MOVE)
            )
            expected[i] += (ahead - behind) / (2 * MOVE)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("k", [0, 1])
def test_the_gradient_of_a_step_explored_alone_is_that_of_the_step(
    toy: Any, served_chain: NoiseSchedule, k: int
) -> None:
    policy = toy.Policy(*OWN)
    rollout, quadrature = toy.enumerated(policy, served_chain, k)

    def advantage(returns: Tensor) -> Tensor:
        return quadrature * group_advantages(returns, 2, divided=False)

    loss = ddpo_loss(rollout, replay(policy, rollout), reward(rollout.output[:, 0]), advantage)
    found = torch.stack(torch.autograd.grad(-loss, [policy.bias, policy.weight]))
    chain = Chain(rollout, quadrature)
    ahead, behind = (
        [chain.expected(returned(chain, chain.moved(k, i, by), 0)) for i in range(2)]
        for by in (MOVE, -MOVE)
    )
    expected = np.subtract(ahead, behind) / (2 * MOVE)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("k", [0, 1])
def test_seeds_share_all_noise_but_that_of_the_explored_step(
    toy: Any, served_chain: NoiseSchedule, k: int
) -> None:
    keys = seed_keys(0, 0, range(2), 4)
    rollout = roll_out(toy.Policy(*OWN), toy.conditions(8), served_chain, keys, 4, k)
    drawn = (rollout.states[1:] - rollout.means)[:2, :, 0].view(2, 2, 4)
    shared = (drawn - drawn[:, :, :1]).abs().amax((1, 2)) < 1e-9
    assert shared.tolist() == [k == 1, k == 0]
    assert len(rollout.states[0].view(2, 4).unique()) == 2
    assert rollout.scored == (k,)


def weighted(
    loss: Callable[..., Tensor],
    rollout: Rollout,
    asked: Replay,
    reference: Replay,
    quadrature: Tensor,
) -> Tensor:
    """The loss's mean over the nodes of the quadrature: chain by chain, with their weights."""
    total = torch.zeros((), dtype=torch.float64)
    rewards = reward(rollout.output[:, 0])
    for b, weight in enumerate(quadrature):
        only = slice(b, b + 1)
        one = loss(
            rows_of(rollout, b, b + 1),
            Replay(asked.means[:, only], asked.log_probs[:, only]),
            Replay(reference.means[:, only], reference.log_probs[:, only]),
            rewards[only],
            lambda returns: returns,
        )
        total = total + weight * one / len(rollout)
    return total
