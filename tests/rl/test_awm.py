"""Advantage-weighted matching, for a chain's denoising errors and a flow's velocity errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.awm import AWM, awm_loss, bounded, credited, weighted_matching
from dlpo.rl.method import Sample
from dlpo.rl.objective import Objective
from dlpo.rl.rollout import TYPICAL_SAMPLES
from tests.rl.conftest import Toy


class Velocity(torch.nn.Module):
    """v(x, t) = a x + b t for every point."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.b = torch.nn.Parameter(torch.tensor(-0.7, dtype=torch.float64))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.a * x + self.b * time


def test_samples_are_unlearned_up_to_a_bound() -> None:
    errors = torch.tensor([[1.0, 2.0, 4.0, 4.0]], requires_grad=True)
    before, weights = torch.tensor([[2.0, 2.0, 2.0, 2.0]]), torch.tensor([-1.0, -1.0, -1.0, 1.0])
    (found,) = torch.autograd.grad(
        weighted_matching(bounded(errors, before, weights, 1.5), weights), errors
    )
    assert found.tolist() == [[-0.25, -0.25, 0.0, 0.25]]


def test_a_flow_is_matched_where_points_are_credited() -> None:
    random = np.random.default_rng(0)
    drawn, noise = random.normal(size=(4, 3)), random.normal(size=(2, 3))  # (G, P), (K, P)
    times, credit = np.array([0.2, 0.8]), np.array([0.0, 0.5, 2.0])
    advantages = np.array([1.5, -0.5, -2.0, 1.0])
    flow = Velocity()
    x, n = torch.tensor(drawn)[None], torch.tensor(noise)[:, None]
    t = torch.tensor(times)[:, None, None]
    squared = (flow((1 - t) * n + t * x, t) - (x - n)).square()
    errors = credited(squared, torch.tensor(credit))
    guide, departures = (flow.a - 1).square(), (flow.b + 0.7).square().expand(2, 4)
    loss = awm_loss(
        errors, torch.tensor(advantages), guide=guide, beta=2.0, departures=departures, kl=0.3
    )
    found = torch.stack(torch.autograd.grad(loss, [flow.a, flow.b]))

    def by_hand(a: float, b: float) -> float:
        total = 0.0
        for g, advantage in enumerate(advantages):
            for k, time in enumerate(times):
                for p, weight in enumerate(credit):
                    at = (1 - time) * noise[k, p] + time * drawn[g, p]
                    apart = a * at + b * time - (drawn[g, p] - noise[k, p])
                    total += advantage * weight * apart**2 / 4 / 2
        return total + 2.0 * (a - 1) ** 2 + 0.3 * (b + 0.7) ** 2

    assert loss.item() == pytest.approx(by_hand(0.3, -0.7))
    ends = [(by_hand(0.3 + h, -0.7), by_hand(0.3, -0.7 + h)) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(found, np.subtract(*ends) / 2e-5, rtol=1e-6)


def test_advantages_of_equal_samples_cancel() -> None:
    errors = torch.rand(3, 1).expand(3, 4)
    advantages = torch.tensor([1.0, -2.0, 0.5, 0.5])
    assert weighted_matching(errors, advantages).item() == pytest.approx(0, abs=1e-6)


def test_better_samples_become_likelier(toy: type[Toy], noisy_chain: NoiseSchedule) -> None:
    """The mean that a step down the loss moves to is nearer to the better outputs."""
    policy = toy.Policy()
    chain = toy.chain(policy, noisy_chain)
    rollout = toy.rollout(policy, noisy_chain, 4_000, group=4)
    method = AWM(toy.setup(chain, Objective("awm", beta=0.0), group=4))
    rewards = rollout.output[:, 0]  # the larger, the better
    loss = method(Sample(1.0, rollout, method.weigh(rollout, rewards)))
    (slope,) = torch.autograd.grad(loss, policy.bias)
    assert slope < 0


def test_awm_anchors_to_the_untuned_policy(toy: type[Toy], noisy_chain: NoiseSchedule) -> None:
    policy, before = toy.chain(toy.Policy(0.5), noisy_chain), toy.chain(toy.Policy(), noisy_chain)
    rollout = toy.rollout(policy.model, noisy_chain, 4, group=2)
    objective = Objective("awm", matching_kl=0.5)
    method = AWM(toy.setup(policy, objective, reference=before))
    loss = method(Sample(1.0, rollout, torch.zeros(4, dtype=torch.float64)))
    expected = 0.5 * policy.departures(rollout, 1, before).mean() / TYPICAL_SAMPLES
    assert loss.item() == pytest.approx(expected.item())
