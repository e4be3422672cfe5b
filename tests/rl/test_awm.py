"""Advantage-weighted matching, for a chain's denoising errors and a flow's velocity errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.awm import AWM, bounded, matching_terms, weighted_matching
from dlpo.rl.core.chain import REGRESSION
from dlpo.rl.core.conditions import Conditions, keyed_noise, seed_keys
from dlpo.rl.core.flow import ANCHORED, MATCHING, FlowDraws, FlowPolicy
from dlpo.rl.core.method import Sample
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.rollout import TYPICAL_SAMPLES
from dlpo.rl.rwr import RWR
from tests.rl.conftest import Affine, Toy


def test_samples_are_unlearned_up_to_a_bound() -> None:
    errors = torch.tensor([[1.0, 2.0, 4.0, 4.0]], requires_grad=True)
    before, weights = torch.tensor([[2.0, 2.0, 2.0, 2.0]]), torch.tensor([-1.0, -1.0, -1.0, 1.0])
    (found,) = torch.autograd.grad(
        weighted_matching(bounded(errors, before, weights, 1.5), weights), errors
    )
    assert found.tolist() == [[-0.25, -0.25, 0.0, 0.25]]


def test_a_flow_is_matched_where_points_are_credited() -> None:
    """The terms of AWM against loops over draws, times and points in plain floats."""
    random = np.random.default_rng(0)
    samples = random.normal(size=(1, 4, 3))  # (B, G, P)
    credit, advantages = np.array([0.0, 0.5, 1.0]), np.array([1.5, -0.5, -2.0, 1.0])
    conditions = Conditions((), torch.ones(1, 3, dtype=torch.float64))
    drawn = FlowDraws(conditions, torch.tensor(samples), ((3, 4),), torch.tensor(credit)[None])
    objective = Objective("awm", matching_kl=0.3, kl_outside=0.7, matching_draws=2)
    model = Affine(0.3, -0.7)
    flow, start = FlowPolicy[Conditions](model), FlowPolicy[Conditions](Affine(0.1, -0.2))
    terms = matching_terms(flow, start, drawn, torch.tensor(advantages), objective, 2.0)
    found = torch.stack(torch.autograd.grad(terms["matching"] + terms["kl"], [model.a, model.b]))
    noise = keyed_noise((3, 4, MATCHING), 2, 3).double().numpy()
    uniform = np.random.default_rng((3, 4, MATCHING, 1)).random(2)

    def by_hand(a: float, b: float) -> float:
        matching = kl = 0.0
        for k in range(2):
            time = (uniform[k] + k) / 2
            for g in range(4):
                for p in range(3):
                    at = (1 - time) * noise[k, p] + time * samples[0, g, p]
                    apart = a * at + b * time - (samples[0, g, p] - noise[k, p])
                    matching += advantages[g] * credit[p] / 1.5 * apart**2 / 2 / 4
                    if g < ANCHORED:
                        moved = (a - 0.1) * at + (b + 0.2) * time
                        kl += (0.3 + 0.7 * (1 - credit[p])) * moved**2 / 3 / 2 / ANCHORED
        return 2 * matching + kl

    assert sum(terms.values()).item() == pytest.approx(by_hand(0.3, -0.7))  # type: ignore[union-attr]
    ends = [(by_hand(0.3 + h, -0.7), by_hand(0.3, -0.7 + h)) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(found, np.subtract(*ends) / 2e-5, rtol=1e-6)


def test_a_chain_is_matched_in_units_of_what_is_left_to_tell(
    toy: type[Toy], noisy_chain: NoiseSchedule
) -> None:
    """The loss of AWM against loops over levels and samples in plain floats."""
    policy = toy.chain(toy.Policy(), noisy_chain)
    policy.model.untold = lambda level: 2 * level
    drawn = policy.roll_out(toy.conditions(4, 5), seed_keys(3, 1, [0, 1], 2), 2)
    rewards = np.random.default_rng(0).normal(size=4)
    objective = Objective("awm", beta=0.0, reward_scale=0.5, matching_draws=1)
    method = AWM(toy.setup(policy, objective, group=2))
    found = method(Sample(1.0, drawn, method.compute_advantages(drawn, torch.tensor(rewards))))
    total, steps = 0.0, noisy_chain.steps
    for row in range(4):
        pair = [row - row % 2, row - row % 2 + 1]
        advantage = (rewards[row] - rewards[pair].mean()) / 0.5
        noises = keyed_noise((*drawn.keys[pair[0]], REGRESSION, 0), steps, 5).double()
        for noise, told in zip(noises, noisy_chain.alpha.tolist(), strict=False):
            left = math.sqrt(1 - told**2)
            noisy = told * drawn.output[row].double() + left * noise
            predicted = (noisy - told * (0.3 * noisy + 0.4)) / left
            error = (noise - predicted).square().sum().item() / (2 * told) ** 2
            total += advantage * error / TYPICAL_SAMPLES / 4 / steps
    assert found.item() == pytest.approx(total)


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
    loss = method(Sample(1.0, rollout, method.compute_advantages(rollout, rewards)))
    (slope,) = torch.autograd.grad(loss, policy.bias)
    assert slope < 0


def test_awm_anchors_to_the_untuned_policy(toy: type[Toy], noisy_chain: NoiseSchedule) -> None:
    policy, before = toy.chain(toy.Policy(0.5), noisy_chain), toy.chain(toy.Policy(), noisy_chain)
    rollout = toy.rollout(policy.model, noisy_chain, 4, group=2)
    objective = Objective("awm", matching_kl=0.5)
    method = AWM(toy.setup(policy, objective, reference=before))
    loss = method(Sample(1.0, rollout, torch.zeros(4, dtype=torch.float64)))
    expected = 0.5 * policy.matching_losses(rollout, 1, before).mean()
    assert loss.item() == pytest.approx(expected.item())


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
