"""Diffusion-DPO against the definition in numpy, finite differences and its limits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.checkpoint import load_checkpoint
from dlpo.errors import InputError, TrainingError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, freeze_all_but_denoiser
from dlpo.rl.preferences import PREFERENCE, Pairs, dpo_loss, dpo_margins, pairs_of
from dlpo.rl.rollout import Rollout, keyed_noise, roll_out, seed_keys


@pytest.fixture
def pairs(toy: Any) -> Pairs:
    """Five pairs of sentences of one sample, winners above losers on the average."""
    drawn = torch.randn(2, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return Pairs(toy.conditions(5), drawn[0] + 0.8, drawn[1], seed_keys(3, 0, range(5), 1))


def gradient(loss: Tensor, policy: Any) -> Tensor:
    return torch.stack(torch.autograd.grad(loss, [policy.bias, policy.weight]))


def worked_out(
    policy: Any, reference: Any, pairs: Pairs, schedule: NoiseSchedule, beta: float
) -> float:
    """Equation 14 once more, pair by pair in plain floats, for x0 = weight x + bias."""
    total, terms = 0.0, 0
    for b, key in enumerate(pairs.keys):
        noise = keyed_noise((*key, PREFERENCE), schedule.steps, 1).numpy()
        for k, alpha in enumerate(schedule.noise_levels[:-1]):
            sigma, eps = math.sqrt(1 - alpha**2), float(noise[k, 0])

            def error(model: Any, x0: float, a: float, s: float, e: float) -> float:
                noisy = a * x0 + s * e
                seen = model.weight.item() * noisy + model.bias.item()
                return (e - (noisy - a * seen) / s) ** 2

            winner, loser = float(pairs.winners[b, 0]), float(pairs.losers[b, 0])
            inner = sum(
                sign
                * (error(policy, x, alpha, sigma, eps) - error(reference, x, alpha, sigma, eps))
                for sign, x in ((1, winner), (-1, loser))
            )
            total += math.log1p(math.exp(beta * inner))  # -log sigmoid(-beta inner)
            terms += 1
    return total / terms


@pytest.mark.parametrize("chain", ["noisy_chain", "served_chain"])
def test_loss_is_equation_14_at_the_levels_of_the_chain(
    toy: Any, pairs: Pairs, chain: str, request: pytest.FixtureRequest
) -> None:
    schedule: NoiseSchedule = request.getfixturevalue(chain)
    policy, reference = toy.Policy(0.5, 0.35), toy.Policy()
    found = dpo_loss(policy, reference, pairs, schedule, beta=0.7)
    assert found.item() == pytest.approx(worked_out(policy, reference, pairs, schedule, 0.7))


def test_gradient_agrees_with_finite_differences(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    reference = toy.Policy()

    def loss(bias: float, weight: float) -> Tensor:
        return dpo_loss(toy.Policy(bias, weight), reference, pairs, served_chain, 0.7)

    policy, step = toy.Policy(0.5, 0.35), 1e-5
    found = gradient(dpo_loss(policy, reference, pairs, served_chain, 0.7), policy)
    differences = [
        (loss(0.5 + b, 0.35 + w) - loss(0.5 - b, 0.35 - w)).item() / (2 * step)
        for b, w in ((step, 0), (0, step))
    ]
    np.testing.assert_allclose(found, differences, rtol=1e-6)


def test_at_the_reference_the_loss_is_log_2_and_its_gradient_prefers_the_winner(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    policy, reference = toy.Policy(), toy.Policy()
    loss = dpo_loss(policy, reference, pairs, served_chain, 3.0)
    assert loss.item() == pytest.approx(math.log(2))
    found = gradient(loss, policy)
    # There d/dz -log sigmoid(-z) = 1/2: half of beta times the gradient of the difference.
    margin = gradient(dpo_margins(policy, reference, pairs, served_chain).mean(), policy)
    torch.testing.assert_close(found, -0.5 * 3.0 * margin)


def test_a_policy_that_makes_the_winners_likelier_has_less_loss(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    """Winners lie 0.8 higher: a higher x0 fits them better."""
    reference = toy.Policy()
    towards, away = (
        dpo_loss(toy.Policy(0.4 + step), reference, pairs, served_chain, 1.0)
        for step in (0.1, -0.1)
    )
    assert towards.item() < math.log(2) < away.item()


def test_with_a_great_beta_only_the_sign_of_a_margin_is_left(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    policy, reference, beta = toy.Policy(0.5, 0.35), toy.Policy(), 1e6
    margins = dpo_margins(policy, reference, pairs, served_chain)
    loss = dpo_loss(policy, reference, pairs, served_chain, beta)
    assert (loss / beta).item() == pytest.approx(margins.clamp(max=0).neg().mean().item())
    lost = margins < 0
    assert 0 < int(lost.sum()) < lost.numel()
    # Of what is won nothing is left to gain, of what is lost the full slope.
    torch.testing.assert_close(
        gradient(loss, policy), gradient(-beta * (margins * lost).mean(), policy)
    )


def test_swapped_pairs_turn_margins_round(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    policy, reference = toy.Policy(0.5, 0.35), toy.Policy()
    swapped = Pairs(pairs.conditions, pairs.losers, pairs.winners, pairs.keys)
    margins = dpo_margins(policy, reference, pairs, served_chain)
    assert margins.shape == (3, 5)
    torch.testing.assert_close(dpo_margins(policy, reference, swapped, served_chain), -margins)


def test_a_pair_depends_on_its_key_and_not_on_its_company(
    toy: Any, pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    policy, reference = toy.Policy(0.5, 0.35), toy.Policy()
    alone = Pairs(
        pairs.conditions.rows(slice(2, 3)), pairs.winners[2:3], pairs.losers[2:3], pairs.keys[2:3]
    )
    torch.testing.assert_close(
        dpo_margins(policy, reference, alone, served_chain)[:, 0],
        dpo_margins(policy, reference, pairs, served_chain)[:, 2],
    )


@pytest.fixture
def rollout(voice: LiteWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule) -> Rollout:
    keys = seed_keys(0, 0, [0, 1], 3)
    return roll_out(voice, sentences.repeat(3), served_chain, keys, 3)


def test_a_rollout_gives_the_best_and_the_worst_seed_of_each_sentence(rollout: Rollout) -> None:
    pairs = pairs_of(rollout, torch.tensor([0.1, 0.3, 0.2, -1.0, -2.0, -3.0]))
    assert torch.equal(pairs.winners, rollout.output[[1, 3]])
    assert torch.equal(pairs.losers, rollout.output[[0, 5]])
    assert pairs.keys == ((0, 0, 0, 0), (0, 0, 1, 0))
    assert torch.equal(pairs.conditions.frames, rollout.conditions.frames[[0, 3]])
    assert torch.equal(pairs.conditions.conditioning, rollout.conditions.conditioning[[0, 3]])


def test_seeds_that_did_equally_well_teach_nothing(
    voice: LiteWaveGrad2, rollout: Rollout, tiny_checkpoint: Path, served_chain: NoiseSchedule
) -> None:
    freeze_all_but_denoiser(voice)
    reference = load_checkpoint(tiny_checkpoint).model
    with torch.no_grad():
        voice.patch_out.bias += 0.1
    loss = dpo_loss(voice, reference, pairs_of(rollout, torch.ones(6)), served_chain)
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert voice.patch_out.bias.grad is not None
    assert not voice.patch_out.bias.grad.any()


@pytest.mark.parametrize("rewards", [torch.zeros(5), torch.zeros(2, 3)])
def test_rewards_of_another_batch_are_refused(rollout: Rollout, rewards: Tensor) -> None:
    with pytest.raises(InputError, match="for 6 chains in groups of 3"):
        pairs_of(rollout, rewards)


def test_one_seed_a_sentence_makes_no_pair(
    voice: LiteWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    alone = roll_out(voice, sentences, served_chain, seed_keys(0, 0, [0, 1], 1), 1)
    with pytest.raises(InputError, match="2 seeds a sentence or more"):
        pairs_of(alone, torch.zeros(2))


def test_a_reward_that_is_no_number_is_refused(rollout: Rollout) -> None:
    with pytest.raises(TrainingError, match="NaN"):
        pairs_of(rollout, torch.tensor([0.0, 1.0, math.nan, 0.0, 0.0, 0.0]))


def test_updates_on_judged_pairs_raise_what_the_judge_likes(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    """The judge wants the one sample at 1.5; nobody tells the policy but by preferring."""
    policy, reference = toy.Policy(), toy.Policy()
    optimizer = torch.optim.SGD(policy.parameters(), 0.05)
    distances = []
    for update in range(40):
        rollout = toy.rollout(policy, served_chain, 256, group=8, seed=update)
        rewards = -(rollout.output[:, 0] - 1.5).abs()
        distances.append(-rewards.mean().item())
        loss = dpo_loss(policy, reference, pairs_of(rollout, rewards), served_chain, beta=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.mean(distances[-5:]) < 0.6 * distances[0]
