"""The direct gradient, against the closed form and finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from dlpo.errors import InputError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, freeze_all_but_denoiser
from dlpo.rl.direct import direct_loss, renoised_output
from dlpo.rl.rollout import Key, roll_out, seed_keys

TARGET = 1.5


def reward(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
    """Best where the one sample is TARGET."""
    return -((waveforms[:, 0] - TARGET) ** 2)


def gradient(loss: Tensor, policy: Any) -> Tensor:
    return torch.stack(torch.autograd.grad(loss, [policy.bias, policy.weight]))


@pytest.mark.parametrize("last_steps", [1, 2, 3])
def test_gradient_is_that_of_the_expected_reward_through_the_last_steps(
    toy: Any, served_chain: NoiseSchedule, last_steps: int
) -> None:
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, served_chain)

    def weighted(*heard: Any) -> Tensor:
        return reward(*heard) * weights

    found = gradient(-direct_loss(policy, rollout, weighted, last_steps), policy)

    own = (policy.bias, policy.weight)
    frozen = (policy.bias.detach(), policy.weight.detach())
    steps = [frozen] * (3 - last_steps) + [own] * last_steps
    mean, variance = toy.Linear(served_chain).moments(steps)[-1]
    exact = gradient(-((mean - TARGET) ** 2 + variance), policy)
    torch.testing.assert_close(found, exact)


def test_gradient_of_a_voice_agrees_with_finite_differences(
    voice: LiteWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    freeze_all_but_denoiser(voice)
    keys = seed_keys(0, 0, [0, 1], 1)
    rollout = roll_out(voice, sentences, served_chain, keys, 1)

    def loudness(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        return waveforms.square().sum(1) / samples

    def reward_of_moved(step: float) -> float:
        with torch.no_grad():
            voice.patch_out.bias[3] += step
            again = roll_out(voice, sentences, served_chain, keys, 1)
            heard = voice.to_waveform(again.output) * sentences.inside
            found = float(loudness(heard, sentences.frames * 300, keys).mean())
            voice.patch_out.bias[3] -= step
        return found

    loss = direct_loss(voice, rollout, loudness, last_steps=served_chain.steps)
    (found,) = torch.autograd.grad(-loss, voice.patch_out.bias)
    difference = (reward_of_moved(0.01) - reward_of_moved(-0.01)) / 0.02
    assert float(found[3]) == pytest.approx(difference, rel=0.01)


@pytest.mark.parametrize("values", [{"last_steps": 0}, {"last_steps": 4}, {"renoised": -1}])
def test_numbers_of_steps_and_renoised_outputs_are_checked(
    toy: Any, served_chain: NoiseSchedule, values: dict[str, int]
) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match=f"{next(iter(values))} is"):
        direct_loss(toy.Policy(), rollout, reward, **values)


@pytest.mark.parametrize("chain", ["noisy_chain", "served_chain"])
def test_renoised_outputs_give_the_gradient_of_their_expected_reward(
    toy: Any, chain: str, request: pytest.FixtureRequest
) -> None:
    """With the last step of fresh noise on the chain's own outputs, whose moments are known."""
    schedule: NoiseSchedule = request.getfixturevalue(chain)
    policy, linear, n = toy.Policy(), toy.Linear(schedule), 3
    rollout = toy.rollout(policy, schedule, 5_000)
    found = gradient(-direct_loss(policy, rollout, reward, 1, renoised=n), policy)
    chains_own = gradient(-direct_loss(policy, rollout, reward, 1), policy)
    of_renoised = ((1 + n) * found - chains_own) / n

    frozen = (policy.bias.detach(), policy.weight.detach())
    mean, variance = linear.moments([frozen] * schedule.steps)[-1]
    a = schedule.noise_levels[-2] / schedule.noise_levels[-1]
    mean, variance = a * mean, a * a * variance + 1 - a * a
    slope, offset, std = linear.step(schedule.steps - 1, policy.bias, policy.weight)
    mean, variance = slope * mean + offset, slope**2 * variance + std**2
    exact = gradient(-((mean - TARGET) ** 2 + variance), policy)
    torch.testing.assert_close(of_renoised, exact, rtol=0.04, atol=0.04)


def test_each_renoised_output_is_another_and_repeats_to_the_bit(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()
    rollout = toy.rollout(policy, served_chain, 4, group=2)
    first, second = (renoised_output(policy, rollout, i) for i in range(2))
    assert torch.equal(first, renoised_output(policy, rollout, 0))
    assert len(torch.cat([first, second, rollout.output]).unique()) == 12


def test_a_judge_gets_one_key_for_the_seeds_of_a_sentence_and_new_luck_for_each_renoised_output(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 4, group=2)
    given: list[Sequence[Key]] = []

    def listens(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        given.append(keys)
        return waveforms[:, 0]

    direct_loss(toy.Policy(), rollout, listens, renoised=2)
    assert given[0] == rollout.sentence_keys
    for keys in given:
        assert keys[0] == keys[1] != keys[2] == keys[3]
    assert len({keys[0] for keys in given}) == 3
