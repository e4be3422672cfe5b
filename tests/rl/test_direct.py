"""The direct gradient, against the closed form and finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.errors import InputError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.assembly import hearing
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions, Key, seed_keys
from dlpo.rl.direct import direct_loss
from dlpo.rl.prompts import Prompt
from dlpo.rl.spoken_chain import SpokenChain, freeze_all_but
from tests.rl.conftest import Toy

TARGET = 1.5
TEXTS = ("one", "two")


def power(waveforms: Tensor, samples: Tensor, *_: object) -> Tensor:
    """A judge that likes it loud."""
    return waveforms.square().sum(1) / samples


def reward(outputs: Tensor, *_: object) -> Tensor:
    """Best where the one sample is TARGET."""
    return -((outputs[:, 0] - TARGET) ** 2)


def gradient(loss: Tensor, policy: Any) -> Tensor:
    return torch.stack(torch.autograd.grad(loss, [policy.bias, policy.weight]))


@pytest.mark.parametrize("last_steps", [1, 2, 3])
def test_gradient_is_that_of_reward_through_last_steps(
    toy: type[Toy], served_chain: NoiseSchedule, last_steps: int
) -> None:
    policy = toy.Policy()
    rollout, weights = toy.enumerated(policy, served_chain)

    loss = direct_loss(
        ChainPolicy(policy, served_chain),
        rollout,
        lambda *heard: reward(*heard) * weights,
        last_steps,
    )
    found = gradient(-loss, policy)
    own = (policy.bias, policy.weight)
    frozen = (policy.bias.detach(), policy.weight.detach())
    steps = [frozen] * (3 - last_steps) + [own] * last_steps
    mean, variance = toy.Linear(served_chain).moments(steps)[-1]
    exact = gradient(-((mean - TARGET) ** 2 + variance), policy)
    torch.testing.assert_close(found, exact)


def test_gradient_of_a_voice_agrees_with_finite_differences(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    freeze_all_but(voice, "denoiser")
    keys = seed_keys(0, 0, [0, 1], 1)
    rollout = ChainPolicy(voice, served_chain).roll_out(sentences, keys, 1)

    def reward_of_moved(step: float) -> float:
        with torch.no_grad():
            voice.spectrum_out.bias[3] += step
            again = ChainPolicy(voice, served_chain).roll_out(sentences, keys, 1)
            heard = voice.to_waveform(again.output) * sentences.inside
            found = float(power(heard, sentences.samples).mean())
            voice.spectrum_out.bias[3] -= step
        return found

    chain = SpokenChain(voice, served_chain)
    loss = direct_loss(chain, rollout, hearing(chain, power), last_steps=served_chain.steps)
    (found,) = torch.autograd.grad(-loss, voice.spectrum_out.bias)
    difference = (reward_of_moved(0.01) - reward_of_moved(-0.01)) / 0.02
    assert float(found[3]) == pytest.approx(difference, rel=0.01)


@pytest.mark.parametrize("last_steps", [0, 4])
def test_last_steps_are_checked(
    toy: type[Toy], served_chain: NoiseSchedule, last_steps: int
) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match="last_steps is"):
        direct_loss(ChainPolicy(toy.Policy(), served_chain), rollout, reward, last_steps)


def test_a_judge_gets_one_key_per_sentence(toy: type[Toy], served_chain: NoiseSchedule) -> None:
    said = tuple(Prompt(number, text, np.zeros(1, np.int64)) for number, text in enumerate(TEXTS))
    prompts = tuple(prompt for prompt in said for _ in range(2))
    rollout = replace(toy.rollout(toy.Policy(), served_chain, 4, group=2), prompts=prompts)
    given: list[Key] = []
    texts: list[str] = []

    def listens(
        waveforms: Tensor, samples: Tensor, keys: Sequence[Key], said: Sequence[str]
    ) -> Tensor:
        given.extend(keys)
        texts.extend(said)
        return waveforms[:, 0]

    model: Any = toy.Policy()
    chain = SpokenChain(model, served_chain)
    direct_loss(chain, rollout, hearing(chain, listens))
    assert texts == ["one", "one", "two", "two"]
    assert tuple(given) == rollout.prompt_keys
    assert given[0] == given[1] != given[2] == given[3]
