"""The diffusion loss: as a guide it knows likely outputs, on recordings it is training's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from scipy.stats import norm

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions
from dlpo.rl.diffusion_loss import (
    GUIDE,
    REGRESSION,
    RecordedWindows,
    control_loss,
    diffusion_loss,
    prosody_loss,
    recorded_windows,
    renoised_loss,
    rwr_loss,
)
from dlpo.rl.explore import WeightSpace, prosody_moves
from dlpo.rl.rollout import Rollout, keyed_noise, roll_out, seed_keys
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches


def test_renoised_loss_equals_the_definition(toy: Any, served_chain: NoiseSchedule) -> None:
    policy = toy.Policy()
    rollout = toy.rollout(policy, served_chain, 6, group=2)
    found = renoised_loss(policy, rollout)
    assert found.shape == (2, 6)
    for b, key in enumerate(rollout.keys):
        drawn = keyed_noise((*key, GUIDE), 2, 1).double()
        for s, k in enumerate(rollout.scored):
            alpha = served_chain.alpha[k]
            sigma = np.sqrt(1 - alpha**2)
            eps = float(drawn[s, 0])
            noisy = alpha * float(rollout.output[b, 0]) + sigma * eps
            x0 = 0.3 * noisy + 0.4
            seen = (noisy - alpha * x0) / sigma
            assert float(found[s, b]) == pytest.approx((eps - seen) ** 2, rel=1e-5)


def test_rwr_is_the_denoising_loss_of_its_own_outputs_weighted_by_their_rewards(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    policy, temperature = toy.Policy(), 0.5
    rollout = toy.rollout(policy, served_chain, 6, group=3)
    rewards = torch.linspace(-1, 1, 6, dtype=torch.float64)[[3, 0, 5, 1, 4, 2]]
    expected = 0.0
    for sentence in (range(3), range(3, 6)):
        total = sum(np.exp(float(rewards[b]) / temperature) for b in sentence)
        for b in sentence:
            drawn = keyed_noise((*rollout.keys[b], REGRESSION), 3, 1).double()
            for k, alpha in enumerate(served_chain.alpha[:3]):
                sigma, eps = np.sqrt(1 - alpha**2), float(drawn[k, 0])
                noisy = alpha * float(rollout.output[b, 0]) + sigma * eps
                error = (eps - (noisy - alpha * (0.3 * noisy + 0.4)) / sigma) ** 2
                weight = np.exp(float(rewards[b]) / temperature) / total
                expected += weight * error / 3 / 2  # levels, sentences
    assert rwr_loss(policy, rollout, rewards, temperature).item() == pytest.approx(expected)


def test_the_guide_is_the_same_in_every_pass_and_hears_no_padding(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> None:
    keys = seed_keys(0, 0, [0, 1], 1)
    rollout = roll_out(voice, sentences, served_chain, keys, 1)
    found = renoised_loss(voice, rollout)
    assert torch.equal(found, renoised_loss(voice, rollout))
    short = sentences.rows(slice(0, 1))
    alone = Conditions(
        short.conditioning[:, :, : int(short.frames) + 6],
        short.source[:, : (int(short.frames) + 6) * 300],
        short.frames,
    )
    by_itself: Rollout = roll_out(voice, alone, served_chain, keys[:1], 1)
    torch.testing.assert_close(renoised_loss(voice, by_itself)[:, 0], found[:, 0])


def test_a_window_past_the_end_of_a_clip_counts_only_what_is_spoken(
    voice: SpectralWaveGrad2, tiny_dataset: Path
) -> None:
    dataset = Corpora([tiny_dataset])
    batches = Batches(dataset, "train", 0, 0, voice.config.rows)
    first = batches.recorded[0]
    frames = dataset.entries[first].frames
    windows = batches.collate([(first, 0)], frames + 7)
    told = FrozenAcoustics(voice, batches).of(windows)
    assert recorded_windows(voice, windows, told).conditions.frames.tolist() == [frames]


def test_diffusion_loss_equals_the_definition_at_the_levels_of_the_chain(
    toy: Any, served_chain: NoiseSchedule
) -> None:
    policy = toy.Policy()
    clean = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None]
    recorded = RecordedWindows(toy.conditions(8), clean)
    loss = diffusion_loss(policy, recorded, served_chain, torch.Generator().manual_seed(3))

    drawn = torch.Generator().manual_seed(3)
    steps = torch.randint(3, (8,), generator=drawn).numpy()
    noise = torch.randn(8, 1, generator=drawn).double().numpy()[:, 0]
    alpha = served_chain.alpha[steps]
    x0 = clean.numpy()[:, 0]
    noisy = alpha * x0 + np.sqrt(1 - alpha**2) * noise
    assert loss.item() == pytest.approx(np.abs(0.3 * noisy + 0.4 - x0).mean(), rel=1e-5)
    assert len(set(steps)) == 3


def test_the_controls_adversary_learns_and_adds_its_losses(
    voice: SpectralWaveGrad2, recorded: RecordedWindows, served_chain: NoiseSchedule
) -> None:
    def loss(adversary: AdversarialTrainer | None) -> torch.Tensor:
        drawn = torch.Generator().manual_seed(0)
        return control_loss(voice, recorded, served_chain, drawn, adversary)

    adversary = AdversarialTrainer(Accelerator(cpu=True), 4e-4, 1.0)
    before = [p.clone() for p in adversary.adversary.parameters()]
    with_adversary = loss(adversary)
    with_adversary.backward()
    assert with_adversary > loss(None)
    assert bool(torch.isfinite(voice.spectrum_out.weight.grad).all())
    after = adversary.adversary.parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_prosody_is_guided_by_its_training_losses_and_by_the_pitch_of_the_recordings(
    drawing_checkpoint: Path, tiny_dataset: Path
) -> None:
    voice = load_checkpoint(drawing_checkpoint).model.eval()
    assert isinstance(voice, SpectralWaveGrad2)
    windows = Batches(Corpora([tiny_dataset]), "train", 0, 0, voice.config.rows).windows(0, 3, 16)
    log_f0 = windows.log_f0[(windows.inside * windows.voicing) > 0].double().numpy()
    space = WeightSpace([], "prosody", prosody=prosody_moves(voice))
    moves = torch.eye(len(space.prosody))

    @torch.no_grad()
    def measured() -> tuple[float, float]:
        centre, spread, _ = voice.pitch_ranges[0].tolist()
        likelihood = norm(centre, spread).logpdf(log_f0)
        return float(prosody_loss(voice, windows)), float(likelihood.mean())

    loss, likelihood = measured()
    for move in moves[-3:-1]:  # the centre and the spread of the pitch
        with space.moved([move], 0.5):
            moved = measured()
        assert moved[0] - loss == pytest.approx(likelihood - moved[1], rel=1e-3)
    with space.moved([moves[0]], -2.0):  # far too short
        assert measured()[0] > loss + 1
