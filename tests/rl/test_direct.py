"""The direct gradient, against the closed form and finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.errors import InputError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import listen_at
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl import direct
from dlpo.rl.conditions import Conditions, freeze_all_but
from dlpo.rl.direct import (
    DifferentiableJudge,
    SpectralResampler,
    augment,
    augmented_judge,
    band_limited,
    direct_loss,
)
from dlpo.rl.rollout import Key, roll_out, seed_keys

TARGET = 1.5
TEXTS = ("one", "two")


def reward(waveforms: Tensor, *_: object) -> Tensor:
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

    loss = direct_loss(policy, rollout, lambda *heard: reward(*heard) * weights, last_steps)
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
    rollout = roll_out(voice, sentences, served_chain, keys, 1)

    def reward_of_moved(step: float) -> float:
        with torch.no_grad():
            voice.spectrum_out.bias[3] += step
            again = roll_out(voice, sentences, served_chain, keys, 1)
            heard = voice.to_waveform(again.output) * sentences.inside
            found = float(power(heard, sentences.frames * 300, keys, TEXTS).mean())
            voice.spectrum_out.bias[3] -= step
        return found

    loss = direct_loss(voice, rollout, power, last_steps=served_chain.steps)
    (found,) = torch.autograd.grad(-loss, voice.spectrum_out.bias)
    difference = (reward_of_moved(0.01) - reward_of_moved(-0.01)) / 0.02
    assert float(found[3]) == pytest.approx(difference, rel=0.01)


@pytest.mark.parametrize("last_steps", [0, 4])
def test_last_steps_are_checked(toy: Any, served_chain: NoiseSchedule, last_steps: int) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 2)
    with pytest.raises(InputError, match="last_steps is"):
        direct_loss(toy.Policy(), rollout, reward, last_steps)


def test_a_judge_gets_one_key_per_sentence(toy: Any, served_chain: NoiseSchedule) -> None:
    rollout = toy.rollout(toy.Policy(), served_chain, 4, group=2)
    given: list[Key] = []

    def listens(waveforms: Tensor, samples: Tensor, keys: Sequence[Key], *_: object) -> Tensor:
        given.extend(keys)
        return waveforms[:, 0]

    direct_loss(toy.Policy(), rollout, listens)
    assert tuple(given) == rollout.sentence_keys
    assert given[0] == given[1] != given[2] == given[3]


KEY = (1, 2, 3, 0)


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise so far below the speech that it does not count."""
    monkeypatch.setattr(direct, "NOISE_DB", (-300.0, -300.0))


def tone(hertz: float = 300.0, samples: int = SAMPLE_RATE) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples).double() / SAMPLE_RATE)


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().log10())


def power(waveforms: Tensor, samples: Tensor, *_: object) -> Tensor:
    """A judge that likes it loud."""
    return waveforms.square().sum(1) / samples


def test_the_judge_hears_each_clip_changed_at_its_own_length() -> None:
    heard: list[Tensor] = []

    def listens(waveforms: Tensor, samples: Tensor, keys: Sequence[Key], *_: object) -> Tensor:
        heard.append(waveforms)
        return power(waveforms, samples)

    clips = torch.stack([tone(), torch.cat([tone(200, 9_000), torch.zeros(SAMPLE_RATE - 9_000)])])
    augmented_judge(listens)(clips, torch.tensor([SAMPLE_RATE, 9_000]), [KEY, (1, 2, 4, 0)], TEXTS)
    first, second = heard[0]
    torch.testing.assert_close(first, augment(clips[0], KEY, 14_000))
    torch.testing.assert_close(second[:9_000], augment(clips[1, :9_000], (1, 2, 4, 0), 14_000))
    assert not second[9_000:].any()


def test_seeds_of_a_sentence_are_treated_alike(no_noise: None) -> None:
    """Whatever is heard of one, the other has the same there: band and level."""
    first, second = tone(300), tone(440)
    both = augment(first + second, KEY, 18_000) - augment(first, KEY, 18_000)
    torch.testing.assert_close(both, augment(second, KEY, 18_000))


def test_level_stays_within_its_bounds_and_uses_them(no_noise: None) -> None:
    gains = [level_db(augment(tone(), (0, 0, i, 0), 18_000)) - level_db(tone()) for i in range(100)]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_lies_as_far_below_the_speech_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "GAIN_DB", 0.0)
    monkeypatch.setattr(direct, "NOISE_DB", (-40.0, -40.0))
    added = augment(tone(), KEY, 18_000) - tone()
    assert level_db(added) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_band_ends_where_it_should() -> None:
    for hertz, lost_db in ((300, 0), (5_700, 0), (6_110, 6), (6_600, 100)):
        lost = level_db(tone(hertz)) - level_db(band_limited(tone(hertz), 7 / 12))
        assert min(lost, 100) == pytest.approx(lost_db, abs=0.1), hertz


def test_gradient_agrees_with_finite_differences(no_noise: None) -> None:
    judge = augmented_judge(power)
    x = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    keys, samples = [KEY, (5, 6, 7, 0)], torch.tensor([40, 30])
    assert torch.autograd.gradcheck(lambda w: judge(w, samples, keys, TEXTS), x.requires_grad_())


KEYS = ((0, 0, 0, 0), (0, 0, 1, 0))


def test_waveforms_arrive_as_they_do_at_the_judge() -> None:
    random = np.random.default_rng(0)
    hiss = 0.1 * random.standard_normal(7_777).astype(np.float32) * np.hanning(7_777)
    expected = listen_at(16_000, [hiss.astype(np.float32)], SAMPLE_RATE)[0]
    found = SpectralResampler(SAMPLE_RATE, 16_000)(torch.from_numpy(hiss).float())
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


@pytest.fixture(scope="module")
def distillmos() -> DistillMOS:
    return DistillMOS()


@pytest.fixture
def speech() -> torch.Tensor:
    """Two hums that fade in and out, the first shorter."""
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    hums = [sum(np.cos(2 * np.pi * k * f0 * at) / k for k in range(1, 20)) for f0 in (120, 210)]
    fades = np.zeros((2, SAMPLE_RATE))
    fades[0, : SAMPLE_RATE // 2], fades[1] = np.hanning(SAMPLE_RATE // 2), np.hanning(SAMPLE_RATE)
    waveforms = 0.05 * np.stack(hums) * fades
    return torch.from_numpy(waveforms.astype(np.float32))


def test_scores_are_those_of_the_judge(distillmos: DistillMOS, speech: torch.Tensor) -> None:
    lengths = torch.tensor([SAMPLE_RATE // 2, SAMPLE_RATE])
    reward = DifferentiableJudge(distillmos)
    ours = reward(speech, lengths, KEYS, TEXTS)
    clips = [row[:n].numpy() for row, n in zip(speech, lengths.tolist(), strict=True)]
    within = 0.05 if reward.bfloat16 else 0.005  # bfloat16, where the processor has it
    np.testing.assert_allclose(ours.numpy(), distillmos.score(clips, SAMPLE_RATE), atol=within)


def test_a_step_along_the_gradient_raises_the_score(
    distillmos: DistillMOS, speech: torch.Tensor
) -> None:
    reward = DifferentiableJudge(distillmos)
    lengths = torch.tensor([SAMPLE_RATE])
    heard = speech[1:].clone().requires_grad_()
    before = reward(heard, lengths, KEYS[:1], TEXTS[:1])
    before.sum().backward()
    assert heard.grad is not None
    assert bool(torch.isfinite(heard.grad).all())  # though the judge pads with silence
    moved = speech[1:] + 1e-3 * heard.grad / heard.grad.norm() * speech[1:].norm()
    assert float(reward(moved, lengths, KEYS[:1], TEXTS[:1])) > before.item()
    assert all(parameter.grad is None for parameter in distillmos.network.parameters())
