"""Each objective's gradient on a chain of one sample, against the closed form of what it descends.

The expectation over the chain's noise is taken exactly, by quadrature: the weights of its nodes
enter where an advantage does. So a gradient that is unbiased agrees to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.objectives import (
    ddpo_loss,
    dlpo_loss,
    dpok_loss,
    group_advantages,
    kl_divergence,
    klinr_loss,
)
from dlpo.rl.rollout import Replay, Rollout, replay

TARGET = 1.5
Step = tuple[Tensor, Tensor]


def reward(x0: Tensor) -> Tensor:
    """Best where the output is TARGET."""
    return -((x0 - TARGET) ** 2)


def expected_reward(mean: Tensor, variance: Tensor) -> Tensor:
    return -((mean - TARGET) ** 2 + variance)


def gradient(loss: Tensor, policy: Any) -> Tensor:
    return torch.stack(torch.autograd.grad(loss, [policy.bias, policy.weight]))


def leaves(policy: Any, steps: int) -> list[Step]:
    """(bias, weight) of each step as variables of their own."""
    return [
        tuple(p.detach().clone().requires_grad_() for p in (policy.bias, policy.weight))
        for _ in range(steps)
    ]


def gradient_by_step(value: Tensor, steps: list[Step]) -> Tensor:
    """(N, 2): what the value owes to the parameters as each step used them; 0 where nothing."""
    flat = [p for step in steps for p in step]
    found = torch.autograd.grad(value, flat, allow_unused=True, retain_graph=True)
    zero = torch.zeros((), dtype=torch.float64)
    return torch.stack([zero if g is None else g for g in found]).view(-1, 2)


@pytest.fixture(params=["noisy_chain", "served_chain"])
def schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    chain: NoiseSchedule = request.getfixturevalue(request.param)
    return chain


LOSSES: dict[str, Callable[..., Tensor]] = {
    "DDPO": ddpo_loss,
    "DLPO": lambda rollout, asked, r, advantage: dlpo_loss(
        rollout, asked, torch.zeros_like(rollout.log_probs), r, advantage, beta=0.0
    ),
    "DPOK": lambda rollout, asked, r, advantage: dpok_loss(
        rollout, asked, asked, r, advantage, kl_weight=0.0
    ),
    "KLinR": lambda rollout, asked, r, advantage: klinr_loss(
        rollout, asked, asked, r, advantage, kl_weight=0.0
    ),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradient_is_that_of_the_expected_reward_through_the_noisy_steps(
    toy: Any, schedule: NoiseSchedule, loss: Callable[..., Tensor]
) -> None:
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, schedule)
    estimate = loss(
        rollout, replay(policy, rollout), reward(rollout.output[:, 0]), lambda r: r * weights
    )
    steps = leaves(policy, schedule.steps)
    value = expected_reward(*toy.Linear(schedule).moments(steps)[-1])
    exact = gradient_by_step(value, steps)[list(rollout.scored)].sum(0)
    torch.testing.assert_close(gradient(-estimate, policy), exact)
    assert float(exact.abs().max()) > 0.5


def test_closed_form_agrees_with_finite_differences_of_simulated_chains(
    toy: Any, noisy_chain: NoiseSchedule
) -> None:
    def simulated(bias: float) -> float:
        rollout = toy.rollout(toy.Policy(bias), noisy_chain, 4_000)  # the same noise for both
        return float(reward(rollout.output).mean())

    policy = toy.Policy()
    steps = [(policy.bias, policy.weight)] * 2
    value = expected_reward(*toy.Linear(noisy_chain).moments(steps)[-1])
    exact = float(gradient(value, policy)[0])
    difference = (simulated(0.4 + 1e-4) - simulated(0.4 - 1e-4)) / 2e-4
    assert difference == pytest.approx(exact, rel=0.03)


def test_estimate_from_random_chains_lies_within_its_error(
    toy: Any, noisy_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()
    estimates = []
    for seed in range(20):
        rollout = toy.rollout(policy, noisy_chain, 1_000, seed=seed)
        advantages = reward(rollout.output[:, 0])
        loss = ddpo_loss(rollout, replay(policy, rollout), advantages, lambda r: r)
        estimates.append(gradient(-loss, policy))
    found = torch.stack(estimates)
    error = found.std(0) / math.sqrt(len(found))
    steps = [(policy.bias, policy.weight)] * 2
    exact = gradient(expected_reward(*toy.Linear(noisy_chain).moments(steps)[-1]), policy)
    assert bool(((found.mean(0) - exact).abs() < 3 * error).all())
    assert bool((error < 0.25 * exact.abs()).all())


def test_constant_added_to_all_rewards_changes_no_expected_gradient(
    toy: Any, schedule: NoiseSchedule
) -> None:
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, schedule)
    found = [
        gradient(
            ddpo_loss(
                rollout,
                replay(policy, rollout),
                reward(rollout.output[:, 0]) + added,
                lambda r: r * weights,
            ),
            policy,
        )
        for added in (0.0, 100.0)
    ]
    torch.testing.assert_close(found[0], found[1])


def test_klinr_descends_reward_less_divergence_of_whole_chains(
    toy: Any, noisy_chain: NoiseSchedule
) -> None:
    policy, other = toy.Policy(), toy.Policy(0.1, 0.5)
    weight = 0.3
    rollout, weights = toy.enumerated(policy, noisy_chain)
    with torch.no_grad():
        reference = replay(other, rollout)
    loss = klinr_loss(
        rollout,
        replay(policy, rollout),
        reference,
        reward(rollout.output[:, 0]),
        lambda r: r * weights,
        weight,
    )

    linear = toy.Linear(noisy_chain)
    own = [(policy.bias, policy.weight)] * 2
    moments = linear.moments(own)
    value = expected_reward(*moments[-1])
    for k, (mean, variance) in enumerate(moments[:-1]):
        slope, offset, std = linear.step(k, policy.bias, policy.weight)
        ref_slope, ref_offset, _ = linear.step(k, other.bias.detach(), other.weight.detach())
        apart, shift = slope - ref_slope, offset - ref_offset
        # E[(apart x + shift)^2] / (2 std^2)
        squared = (apart * mean + shift) ** 2 + apart**2 * variance
        value = value - weight * squared / (2 * std**2)
    torch.testing.assert_close(gradient(-loss, policy), gradient(value, policy))


def test_dlpo_credits_each_step_with_reward_less_its_own_diffusion_loss(
    toy: Any, schedule: NoiseSchedule
) -> None:
    policy = toy.Policy()
    alpha, beta = 0.7, 0.2
    rollout, weights = toy.enumerated(policy, schedule)
    output = rollout.output[:, 0]
    guide = torch.stack([(s + 1) * output**2 for s in range(len(rollout.scored))])
    loss = dlpo_loss(
        rollout,
        replay(policy, rollout),
        guide,
        reward(output),
        lambda r: r * weights,
        alpha,
        beta,
    )
    steps = leaves(policy, schedule.steps)
    mean, variance = toy.Linear(schedule).moments(steps)[-1]
    exact = torch.zeros(2, dtype=torch.float64)
    for s, k in enumerate(rollout.scored):
        square = mean**2 + variance
        value = alpha * expected_reward(mean, variance) - beta * (s + 1) * square
        exact += gradient_by_step(value, steps)[k]
    torch.testing.assert_close(gradient(-loss, policy), exact)


@pytest.fixture
def sampled(toy: Any, noisy_chain: NoiseSchedule) -> Rollout:
    rollout: Rollout = toy.rollout(toy.Policy(), noisy_chain, 24, group=4)
    return rollout


GROUPS = partial(group_advantages, group=4)


def test_dlpo_without_guide_is_ddpo_and_without_reward_is_onlydl(
    toy: Any, sampled: Rollout
) -> None:
    moved = toy.Policy(0.41, 0.29)
    rewards = reward(sampled.output[:, 0])
    guide = torch.stack([sampled.output[:, 0] ** 2, (sampled.output[:, 0] - 1) ** 2])

    def of(loss: Callable[[Replay], Tensor]) -> tuple[Tensor, Tensor]:
        value = loss(replay(moved, sampled))
        return value.detach(), gradient(value, moved)

    torch.testing.assert_close(
        of(lambda asked: dlpo_loss(sampled, asked, guide, rewards, GROUPS, beta=0.0)),
        of(lambda asked: ddpo_loss(sampled, asked, rewards, GROUPS)),
    )
    none = torch.zeros_like(rewards)
    torch.testing.assert_close(
        of(lambda asked: dlpo_loss(sampled, asked, guide, rewards, GROUPS, alpha=0.0)),
        of(lambda asked: dlpo_loss(sampled, asked, guide, none, GROUPS)),
    )


def test_onlydl_has_the_gradient_of_the_score_function_at_the_policy_that_acted(
    toy: Any, sampled: Rollout
) -> None:
    policy = toy.Policy()
    guide = torch.stack([sampled.output[:, 0] ** 2] * 2)
    none = torch.zeros(24, dtype=torch.float64)
    loss = dlpo_loss(sampled, replay(policy, sampled), guide, none, GROUPS, 0.0, 1.0)
    score = -(GROUPS(-guide) * replay(policy, sampled).log_probs).sum(0).mean()
    torch.testing.assert_close(gradient(loss, policy), gradient(score, policy))


def test_clipped_surrogate_equals_the_definition_chain_by_chain(toy: Any, sampled: Rollout) -> None:
    moved = toy.Policy(0.45, 0.25)
    clip = 0.05
    asked = replay(moved, sampled)
    rewards = reward(sampled.output[:, 0])
    advantages = GROUPS(rewards).numpy()
    ratios = np.exp((asked.log_probs - sampled.log_probs).detach().numpy())
    total = 0.0
    for row in ratios:
        for rho, a in zip(row, advantages, strict=True):
            total -= min(rho * a, min(max(rho, 1 - clip), 1 + clip) * a)
    loss = ddpo_loss(sampled, asked, rewards, GROUPS, clip)
    assert loss.item() == pytest.approx(total / 24)
    assert 0 < np.mean(np.abs(ratios - 1) > clip) < 1


def test_beyond_the_clip_range_no_good_chain_pulls_further(toy: Any, sampled: Rollout) -> None:
    moved = toy.Policy(0.6, 0.3)
    asked = replay(moved, sampled)
    ratio = (asked.log_probs - sampled.log_probs).exp()
    beyond = (ratio > 1.01).to(ratio)
    loss = ddpo_loss(sampled, asked, torch.ones(24), lambda r: r * beyond, clip_range=0.01)
    assert int(beyond.sum()) > 3
    assert torch.equal(gradient(loss, moved), torch.zeros(2, dtype=torch.float64))


def test_divergence_equals_that_of_the_normal_distributions_and_its_monte_carlo_estimate(
    toy: Any, noisy_chain: NoiseSchedule
) -> None:
    policy, other = toy.Policy(), toy.Policy(0.1, 0.5)
    rollout, weights = toy.enumerated(policy, noisy_chain)
    asked, reference = replay(policy, rollout), replay(other, rollout)
    divergence = kl_divergence(rollout, asked, reference)
    for s, k in enumerate(rollout.scored):
        ours = torch.distributions.Normal(asked.means[s, :, 0], rollout.stds[k])
        theirs = torch.distributions.Normal(reference.means[s, :, 0], rollout.stds[k])
        torch.testing.assert_close(divergence[s], torch.distributions.kl_divergence(ours, theirs))
    estimate = (rollout.log_probs - reference.log_probs).detach() * weights
    torch.testing.assert_close(estimate.mean(1), (divergence.detach() * weights).mean(1))


def test_dpok_adds_the_gradient_of_each_steps_divergence(toy: Any, sampled: Rollout) -> None:
    policy, other = toy.Policy(), toy.Policy(0.1, 0.5)
    with torch.no_grad():
        reference = replay(other, sampled)
    rewards = reward(sampled.output[:, 0])
    both = dpok_loss(sampled, replay(policy, sampled), reference, rewards, GROUPS, 0.3)
    reward_alone = dpok_loss(sampled, replay(policy, sampled), reference, rewards, GROUPS, 0.0)

    linear = toy.Linear(sampled.schedule)
    expected = torch.zeros((), dtype=torch.float64)
    for k in sampled.scored:
        slope, offset, std = linear.step(k, policy.bias, policy.weight)
        ref_slope, ref_offset, _ = linear.step(k, other.bias.detach(), other.weight.detach())
        x = sampled.states[k, :, 0]
        apart = (slope - ref_slope) * x + offset - ref_offset
        expected = expected + 0.3 * (apart**2 / (2 * std**2)).mean()
    torch.testing.assert_close(both - reward_alone, expected)
    torch.testing.assert_close(
        gradient(both, policy) - gradient(reward_alone, policy), gradient(expected, policy)
    )


def test_thirty_updates_of_plain_policy_gradient_raise_the_reward(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()
    optimizer = torch.optim.SGD(policy.parameters(), 0.05)
    gained = []
    for update in range(30):
        rollout = toy.rollout(policy, served_chain, 256, group=8, seed=update)
        rewards = reward(rollout.output[:, 0])
        gained.append(float(rewards.mean()))
        advantages = partial(group_advantages, group=8)
        loss = ddpo_loss(rollout, replay(policy, rollout), rewards, advantages)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before, after = gained[0], sum(gained[-5:]) / 5
    assert before < -0.9
    assert after > 0.4 * before
