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
from dlpo.rl.objectives import ddpo_loss
from dlpo.rl.rollout import Key, replay, roll_out, seed_keys

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


def test_with_the_last_step_it_completes_the_policy_gradient(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    """What the score leaves out is exactly what the direct gradient of one step has."""
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, served_chain)
    rewards = -((rollout.output[:, 0] - TARGET) ** 2)
    score = gradient(
        -ddpo_loss(rollout, replay(policy, rollout), rewards, lambda r: r * weights), policy
    )
    last = gradient(-direct_loss(policy, rollout, lambda *heard: reward(*heard) * weights), policy)
    moments = toy.Linear(served_chain).moments([(policy.bias, policy.weight)] * 3)
    mean, variance = moments[-1]
    whole = gradient(-((mean - TARGET) ** 2 + variance), policy)
    torch.testing.assert_close(score + last, whole)


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


@pytest.mark.parametrize("last_steps", [0, 4])
def test_more_steps_than_there_are_or_none_are_refused(
    toy: Any, served_chain: NoiseSchedule, last_steps: int
) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match=f"last_steps is {last_steps}; expected 1 to 3"):
        direct_loss(toy.Policy(), rollout, lambda x, *_: x[:, 0], last_steps)


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


def test_renoised_outputs_lower_the_variance_of_the_gradient(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()

    def spread(renoised: int) -> Tensor:
        estimates = []
        for seed in range(100):
            rollout = toy.rollout(policy, served_chain, 8, seed=seed)
            estimates.append(
                gradient(direct_loss(policy, rollout, reward, renoised=renoised), policy)
            )
        return torch.stack(estimates).std(0)

    assert bool((spread(4) < 0.8 * spread(0)).all())


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


def test_fewer_than_no_renoised_outputs_are_refused(toy: Any, served_chain: NoiseSchedule) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match="renoised is -1; expected 0 or more"):
        direct_loss(toy.Policy(), rollout, reward, renoised=-1)
