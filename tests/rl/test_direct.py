"""The direct gradient, against the closed form and finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dlpo.errors import InputError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, freeze_all_but_denoiser
from dlpo.rl.direct import direct_loss
from dlpo.rl.objectives import ddpo_loss
from dlpo.rl.rollout import replay, roll_out, seed_keys

TARGET = 1.5


def gradient(loss: Tensor, policy: Any) -> Tensor:
    return torch.stack(torch.autograd.grad(loss, [policy.bias, policy.weight]))


@pytest.mark.parametrize("last_steps", [1, 2, 3])
def test_gradient_is_that_of_the_expected_reward_through_the_last_steps(
    toy: Any, served_chain: NoiseSchedule, last_steps: int
) -> None:
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, served_chain)

    def reward(waveforms: Tensor, samples: Tensor) -> Tensor:
        return -((waveforms[:, 0] - TARGET) ** 2) * weights

    found = gradient(-direct_loss(policy, rollout, reward, last_steps), policy)

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
    last = gradient(
        -direct_loss(policy, rollout, lambda x, _: -((x[:, 0] - TARGET) ** 2) * weights, 1), policy
    )
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

    def loudness(waveforms: Tensor, samples: Tensor) -> Tensor:
        return waveforms.square().sum(1) / samples

    def reward_of_moved(step: float) -> float:
        with torch.no_grad():
            voice.patch_out.bias[3] += step
            again = roll_out(voice, sentences, served_chain, keys, 1)
            heard = voice.to_waveform(again.output) * sentences.inside
            found = float(loudness(heard, sentences.frames * 300).mean())
            voice.patch_out.bias[3] -= step
        return found

    loss = direct_loss(voice, rollout, loudness, served_chain.steps)
    (found,) = torch.autograd.grad(-loss, voice.patch_out.bias)
    difference = (reward_of_moved(0.01) - reward_of_moved(-0.01)) / 0.02
    assert float(found[3]) == pytest.approx(difference, rel=0.01)


@pytest.mark.parametrize("last_steps", [0, 4])
def test_more_steps_than_there_are_or_none_are_refused(
    toy: Any, served_chain: NoiseSchedule, last_steps: int
) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match=f"last_steps is {last_steps}; expected 1 to 3"):
        direct_loss(toy.Policy(), rollout, lambda x, n: x[:, 0], last_steps)
