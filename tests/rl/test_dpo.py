"""Diffusion-DPO against the definition in numpy, finite differences and its limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dlpo.errors import InputError, TrainingError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.conditions import Conditions
from dlpo.rl.dpo import PREFERENCE, dpo_loss, dpo_margins, pairs_of
from dlpo.rl.noise import keyed_noise, seed_keys
from dlpo.rl.preferences import Pairs
from dlpo.rl.rollout import Rollout
from tests.rl.conftest import Toy


@pytest.fixture
def pairs(toy: type[Toy]) -> Pairs:
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
    toy: type[Toy], pairs: Pairs, chain: str, request: pytest.FixtureRequest
) -> None:
    schedule: NoiseSchedule = request.getfixturevalue(chain)
    policy, reference = toy.Policy(0.5, 0.35), toy.Policy()
    chains = (ChainPolicy(model, schedule) for model in (policy, reference))
    found = dpo_loss(*chains, pairs, beta=0.7)
    assert found.item() == pytest.approx(worked_out(policy, reference, pairs, schedule, 0.7))


def test_loss_at_the_reference_is_log_2(
    toy: type[Toy], pairs: Pairs, served_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()
    chains = [ChainPolicy(model, served_chain) for model in (policy, toy.Policy())]
    loss = dpo_loss(*chains, pairs, 3.0)
    assert loss.item() == pytest.approx(math.log(2))
    found = gradient(loss, policy)
    # There d/dz -log sigmoid(-z) = 1/2: half of beta times the gradient of the difference.
    margin = gradient(dpo_margins(*chains, pairs).mean(), policy)
    torch.testing.assert_close(found, -0.5 * 3.0 * margin)


@pytest.fixture
def rollout(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> Rollout:
    keys = seed_keys(0, 0, [0, 1], 3)
    return ChainPolicy(voice, served_chain).roll_out(sentences.repeat(3), keys, 3)


def test_pairs_are_best_and_worst_seed_of_a_sentence(rollout: Rollout) -> None:
    pairs = pairs_of(rollout, torch.tensor([0.1, 0.3, 0.2, -1.0, -2.0, -3.0]))
    assert torch.equal(pairs.winners, rollout.output[[1, 3]])
    assert torch.equal(pairs.losers, rollout.output[[0, 5]])
    assert pairs.keys == ((0, 0, 0, 0), (0, 0, 1, 0))
    assert torch.equal(pairs.conditions.frames, rollout.conditions.frames[[0, 3]])
    assert torch.equal(pairs.conditions.conditioning, rollout.conditions.conditioning[[0, 3]])


@pytest.mark.parametrize(
    ("group", "rewards", "error"),
    [
        (3, torch.zeros(5), InputError), (3, torch.zeros(2, 3), InputError),
        (1, torch.zeros(2), InputError), (3, torch.full((6,), math.nan), TrainingError),
    ],
    ids=["another batch", "another shape", "one seed", "NaN"],
)  # fmt: skip
def test_rewards_that_rank_no_seeds_are_refused(
    group: int, rewards: Tensor, error: type[Exception], voice: SpectralWaveGrad2,
    sentences: Conditions, served_chain: NoiseSchedule,
) -> None:  # fmt: skip
    keys = seed_keys(0, 0, [0, 1], group)
    rollout = ChainPolicy(voice, served_chain).roll_out(sentences.repeat(group), keys, group)
    with pytest.raises(error):
        pairs_of(rollout, rewards)
