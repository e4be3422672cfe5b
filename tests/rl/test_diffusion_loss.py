"""The diffusion loss on recordings is training's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.diffusion_loss import diffusion_loss, prosody_loss
from dlpo.rl.prosody_moves import prosody_moves
from dlpo.rl.recorded_windows import RecordedWindows
from dlpo.rl.weight_space import WeightSpace
from dlpo.training.batches import Batches
from tests.rl.conftest import Toy


def test_diffusion_loss_equals_the_definition(toy: type[Toy], served_chain: NoiseSchedule) -> None:
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


def test_prosody_loss_is_training_losses_and_pitch(
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
