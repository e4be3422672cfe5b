"""Rollouts: they are the exported chain, keyed by sentence and seed, and score what it did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dlpo.diffusion import sample
from dlpo.errors import InputError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.core.chain import GUIDE, REGRESSION, ChainPolicy
from dlpo.rl.core.conditions import Conditions, keyed_noise, seed_keys
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.spoken_chain import speech_conditions
from tests.rl.conftest import Toy

HOP = PUBLISHED_GRID.hop_length


@pytest.fixture
def rollout(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> Rollout:
    keys = seed_keys(3, 5, [7, 9], 2)
    return ChainPolicy(voice, served_chain).roll_out(sentences.repeat(2), keys, 2)


def test_a_chain_is_the_exported_one(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    frames = int(sentences.samples[1]) // HOP  # the longest: only the reach of silence follows it
    alone = sentences.rows(slice(1, 2))
    rollout = ChainPolicy(voice, served_chain).roll_out(alone, seed_keys(0, 0, [1], 1), 1)
    samples = frames * HOP
    noise = keyed_noise((0, 0, 1, 0), served_chain.noise_count, samples)[:, None]
    with torch.no_grad():
        exported = sample(
            voice.denoise,
            served_chain,
            alone.inputs[0][:, :, :frames],
            alone.inputs[1][:, :samples],
            noise,
        )
    edge = 6 * served_chain.steps * HOP  # there the exported chain sees the array's end
    ours = rollout.output[:, : samples - edge]
    torch.testing.assert_close(ours, exported[:, : samples - edge], atol=1e-5, rtol=0)


def test_a_row_does_not_depend_on_its_company(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule, rollout: Rollout
) -> None:
    short = sentences.rows(slice(0, 1))
    end = int(short.samples[0])
    alone = ChainPolicy(voice, served_chain).roll_out(short, rollout.keys[1:2], 1)
    torch.testing.assert_close(alone.output[0, :end], rollout.output[1, :end], atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.log_probs[:, 0], rollout.log_probs[:, 1])


def test_the_same_keys_give_the_same_chains_to_the_bit(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule, rollout: Rollout
) -> None:
    again = ChainPolicy(voice, served_chain).roll_out(sentences.repeat(2), rollout.keys, 2)
    assert torch.equal(again.states, rollout.states)
    other = ChainPolicy(voice, served_chain).roll_out(
        sentences.repeat(2), seed_keys(3, 6, [7, 9], 2), 2
    )
    assert not torch.equal(other.states, rollout.states)


def test_nothing_sounds_past_the_end_of_a_sentence(rollout: Rollout) -> None:
    end = int(rollout.conditions.samples[0])
    assert end < rollout.states.shape[2]
    assert bool((rollout.states[:, 0, end:] == 0).all())
    assert bool((rollout.states[:, 0, :end].abs().amax(-1) > 0).all())


def test_log_probs_equal_those_of_the_normal_distribution(rollout: Rollout) -> None:
    for s, k in enumerate(rollout.scored):
        for b in range(len(rollout)):
            end = int(rollout.conditions.samples[b])
            normal = torch.distributions.Normal(rollout.means[k, b, :end], rollout.stds[k])
            expected = normal.log_prob(rollout.states[k + 1, b, :end]).mean()
            torch.testing.assert_close(rollout.log_probs[s, b], expected)


def test_last_step_is_clean_and_has_no_log_prob(rollout: Rollout) -> None:
    assert rollout.scored == (0, 1)
    assert rollout.log_probs.shape == (2, 4)
    assert torch.equal(rollout.states[3], rollout.means[2])


def test_a_step_with_hardly_any_noise_carries_no_score(toy: type[Toy]) -> None:
    almost = NoiseSchedule("almost", np.array([0.2, 0.6, 1 - 1e-8]), 1.0)
    assert 0 < almost.posterior_std[1] < 1e-3
    assert toy.rollout(toy.Policy(), almost, 4).scored == (0,)


@pytest.mark.parametrize(
    ("keys", "group", "training", "message"),
    [
        (4, 2, True, "train mode"),
        (3, 2, False, "3 keys for 4 rows"),
        (4, 3, False, "groups of 3"),
    ],
    ids=["train mode", "too few keys", "torn group"],
)
def test_a_rollout_without_actions_or_keys_is_refused(
    toy: type[Toy], keys: int, group: int, training: bool, message: str
) -> None:
    policy = toy.Policy().train(training)
    schedule = named_schedule("cosine", 3, 1.0)
    with pytest.raises(InputError, match=message):
        ChainPolicy(policy, schedule).roll_out(
            toy.conditions(4), seed_keys(0, 0, [0, 1], 2)[:keys], group
        )


@pytest.mark.parametrize(("steps", "eta"), [(3, 0.0), (1, 1.0)], ids=["DDIM", "one step"])
def test_noiseless_chain_has_no_actions_to_replay(toy: type[Toy], steps: int, eta: float) -> None:
    policy = toy.Policy()
    rollout = toy.rollout(policy, named_schedule("cosine", steps, eta), 4)
    assert rollout.scored == ()
    assert rollout.log_probs.shape == (0, 4)
    assert torch.equal(rollout.output, rollout.means[-1])
    with pytest.raises(InputError, match="no noise to learn from"):
        ChainPolicy(policy, rollout.schedule).replay(rollout)


def test_replay_repeats_log_probs_to_the_bit(voice: SpectralWaveGrad2, rollout: Rollout) -> None:
    again = ChainPolicy(voice, rollout.schedule).replay(rollout)
    assert torch.equal(again.log_probs, rollout.log_probs)
    assert again.log_probs.requires_grad


def test_bound_of_x0_holds_in_every_step(voice: SpectralWaveGrad2, rollout: Rollout) -> None:
    limited = replace(rollout)
    voice.x0_limit = 1e-3
    try:
        bounded = ChainPolicy(voice, limited.schedule).roll_out(
            limited.conditions, limited.keys, limited.group
        )
    finally:
        del voice.x0_limit
    assert float(bounded.output.abs().max()) <= 1e-3 + 1e-6


def test_own_loss_equals_the_definition(toy: type[Toy], served_chain: NoiseSchedule) -> None:
    policy = toy.Policy()
    rollout = toy.rollout(policy, served_chain, 6, group=2)
    found = toy.chain(policy, served_chain).own_loss(rollout, 4)
    assert found.shape == (2, 6)
    for b in range(6):
        sentence = rollout.keys[b - b % 2]  # its seeds share the noise
        for s, k in enumerate(rollout.scored):
            alpha = served_chain.alpha[k]
            sigma, total = np.sqrt(1 - alpha**2), 0.0
            for draw in range(4):
                eps = float(keyed_noise((*sentence, GUIDE, draw // 2), 2, 1)[s, 0])
                eps = -eps if draw % 2 else eps
                noisy = alpha * float(rollout.output[b, 0]) + sigma * eps
                seen = (noisy - alpha * (0.3 * noisy + 0.4)) / sigma
                total += (eps - seen) ** 2
            assert float(found[s, b]) == pytest.approx(total / 4, rel=1e-5)


def test_own_loss_ignores_padding(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    keys, chain = seed_keys(0, 0, [0, 1], 1), ChainPolicy(voice, served_chain)
    rollout = chain.roll_out(sentences, keys, 1)
    found = chain.own_loss(rollout, 2)
    assert torch.equal(found, chain.own_loss(rollout, 2))
    short = sentences.rows(slice(0, 1))
    frames = short.samples // HOP
    end = int(frames) + 6
    conditioning, source = short.inputs
    alone = speech_conditions(conditioning[:, :, :end], source[:, : end * HOP], frames)
    by_itself = chain.roll_out(alone, keys[:1], 1)
    torch.testing.assert_close(chain.own_loss(by_itself, 2)[:, 0], found[:, 0])


def test_divergence_is_the_squared_distance_of_predictions(
    toy: type[Toy], served_chain: NoiseSchedule
) -> None:
    now, before = (toy.chain(toy.Policy(*own), served_chain) for own in ((0.5, 0.2), (0.4, 0.3)))
    rollout = toy.rollout(now.model, served_chain, 4, group=2)
    moved = now.matching_losses(rollout, 2, before)
    found, errors = (
        (moved / rollout.lengths).detach(),
        (now.matching_losses(rollout, 2) / rollout.lengths).detach(),
    )
    divergence = now.divergence(rollout, 2, before, 3.0)
    torch.testing.assert_close(divergence, 3 * moved.mean())
    assert found.shape == errors.shape == (6, 4)
    for row in range(6):
        draw, k = divmod(row, 3)
        alpha = served_chain.alpha[k]
        sigma = np.sqrt(1 - alpha**2)
        for b in range(4):
            drawn = keyed_noise((*rollout.keys[b - b % 2], REGRESSION, 0), 3, 1)
            eps = float(-drawn[k, 0] if draw else drawn[k, 0])
            noisy = alpha * float(rollout.output[b, 0]) + sigma * eps
            seen = [(noisy - alpha * (w * noisy + c)) / sigma for c, w in ((0.5, 0.2), (0.4, 0.3))]
            assert float(errors[row, b]) == pytest.approx((eps - seen[0]) ** 2, rel=1e-5)
            assert float(found[row, b]) == pytest.approx((seen[0] - seen[1]) ** 2, rel=1e-5)
    moved.sum().backward()
    assert before.model.bias.grad is None


def test_chance_cancels_between_seeds(toy: type[Toy], served_chain: NoiseSchedule) -> None:
    """The differences of a sentence's losses are those of their expectations, in two draws."""
    rollout = toy.rollout(toy.Policy(), served_chain, 8, group=4)
    found = toy.chain(toy.Policy(), served_chain).own_loss(rollout, 2).view(2, 2, 4)
    x = rollout.output.view(2, 4).numpy()
    for s, k in enumerate(rollout.scored):
        alpha = served_chain.alpha[k]
        sigma = np.sqrt(1 - alpha**2)
        # The error is 0.3 alpha eps less this, whose square is all of E[error^2] that has x in it.
        bias = ((1 - 0.3 * alpha) * alpha * x - 0.4 * alpha) / sigma
        expected = bias**2 - (bias**2).mean(1, keepdims=True)
        centred = found[s] - found[s].mean(1, keepdim=True)
        np.testing.assert_allclose(centred, expected, rtol=1e-5, atol=1e-9)


def test_diffusion_loss_equals_the_definition(toy: type[Toy], served_chain: NoiseSchedule) -> None:
    policy = toy.Policy()
    clean = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None]
    recorded = RecordedSamples(toy.conditions(8), clean)
    loss = toy.chain(policy, served_chain).diffusion_loss(
        recorded, torch.Generator().manual_seed(3)
    )

    drawn = torch.Generator().manual_seed(3)
    steps = torch.randint(3, (8,), generator=drawn).numpy()
    noise = torch.randn(8, 1, generator=drawn).double().numpy()[:, 0]
    alpha = served_chain.alpha[steps]
    x0 = clean.numpy()[:, 0]
    noisy = alpha * x0 + np.sqrt(1 - alpha**2) * noise
    assert loss.item() == pytest.approx(np.abs(0.3 * noisy + 0.4 - x0).mean(), rel=1e-5)
    assert len(set(steps)) == 3
