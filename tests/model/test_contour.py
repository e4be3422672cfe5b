"""The contour: what it depends on, that its steps lead where the flow points, and that F0 is it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from dlpo.checkpoint import load_checkpoint
from dlpo.model.contour import POINTS, Contour, upsample_contour
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2

PHONEMES = torch.tensor([[1, 12, 30, 2, 45, 60, 7]])
EVERYTHING = torch.ones_like(PHONEMES, dtype=torch.bool)
DURATIONS = torch.tensor([[9.0, 4.0, 6.0, 0.0, 5.0, 8.0, 12.0]])


@pytest.fixture
def model(drawing_checkpoint: Path) -> SpectralWaveGrad2:
    loaded = load_checkpoint(drawing_checkpoint).model
    assert isinstance(loaded, SpectralWaveGrad2)
    return loaded


@pytest.fixture
def contour(model: SpectralWaveGrad2) -> Contour:
    assert model.contour is not None
    return model.contour


@pytest.fixture
def voice(contour: Contour) -> Tensor:
    """What the contour reads of a voice: its row, centre, spread and temperature."""
    config = contour.config
    return torch.tensor([[0.1] * config.channels + [config.centre, config.spread, 1.0]])


def noise(seed: int = 0, symbols: int = PHONEMES.shape[1]) -> Tensor:
    return torch.randn(1, POINTS, symbols, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_noise_decides_the_contour_unless_temperature_is_0(contour: Contour, voice: Tensor) -> None:
    def draw(seed: int) -> Tensor:
        return contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise(seed), voice)

    assert draw(0).shape == (1, POINTS, 7)
    assert torch.equal(draw(0), draw(0))
    assert (draw(0) - draw(1)).abs().mean() > 0.1 * contour.config.spread
    voice[:, -1] = 0.0
    assert torch.equal(draw(0), draw(1))


@torch.no_grad()
def test_padding_changes_nothing(contour: Contour, voice: Tensor) -> None:
    alone = contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise(), voice)
    longer = [pad(x, (0, 5)) for x in (PHONEMES, EVERYTHING, DURATIONS, noise())]
    together = contour.draw(*longer, voice)
    assert torch.allclose(alone, together[..., :7], atol=1e-5)


@torch.no_grad()
def test_a_hidden_duration_is_not_seen(contour: Contour, voice: Tensor) -> None:
    known, other = EVERYTHING.clone(), DURATIONS.clone()
    known[0, 2], other[0, 2] = False, 40.0

    def read(durations: Tensor, shown: Tensor | None) -> Tensor:
        return contour.reader(PHONEMES, EVERYTHING, durations, shown, voice=voice[:, :-3])

    assert torch.equal(read(DURATIONS, known), read(other, known))
    assert not torch.allclose(read(DURATIONS, None), read(other, None))


@torch.no_grad()
def test_half_the_step_makes_a_quarter_of_the_error(contour: Contour, voice: Tensor) -> None:
    contour.flow.forward = lambda contour, time, hidden, mask: contour - time  # type: ignore[method-assign]
    start, errors = 0.5 * noise().tanh(), []
    for steps in (4, 8):
        contour.config = replace(contour.config, steps=steps)
        drawn = contour.draw(PHONEMES, EVERYTHING, DURATIONS, start, voice)
        made = (drawn - contour.config.centre) / contour.config.spread
        errors.append(float((made - (math.e * (start - 1) + 2)).abs().max()))
    assert 3.4 < errors[0] / errors[1] < 4.6


@torch.no_grad()
def test_a_contour_stays_within_its_limit(contour: Contour, voice: Tensor) -> None:
    contour.flow.forward = lambda x, *given: torch.full_like(x, 50.0)  # type: ignore[method-assign]
    drawn = contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise(), voice)
    config = contour.config
    assert torch.allclose(drawn, torch.tensor(config.centre + config.limit * config.spread))


@torch.no_grad()
def test_a_straight_rise_is_upsampled_to_a_straight_rise() -> None:
    durations = torch.full((1, 10), 8.0)
    at_points = torch.arange(10 * POINTS).view(1, 10, POINTS).transpose(1, 2) * 4.0 + 2.0  # frames
    frames = upsample_contour(at_points, durations, frame_positions(80))[0]
    np.testing.assert_allclose(frames[8:-8], frame_positions(80)[8:-8], atol=0.7)


@torch.no_grad()
def test_f0_is_the_contour_and_moves_with_the_pitch(model: SpectralWaveGrad2) -> None:
    assert model.contour is not None
    voice, channels = model.named_voice(), model.contour.config.channels + 3
    hidden, _, ranges = model.encode(PHONEMES, EVERYTHING, noise(), voice)
    assert hidden.shape == (1, model.config.hidden_channels + POINTS, 7)
    positions = frame_positions(int(DURATIONS.sum()))
    _, durations, _ = model.encode(PHONEMES, EVERYTHING, None, voice)
    drawn = model.contour.draw(PHONEMES, EVERYTHING, durations, noise(), voice[:, -channels:])
    expected = upsample_contour(drawn, DURATIONS, positions).exp()
    for semitones in (0.0, 12.0):
        _, f0 = model.frames(hidden, DURATIONS, ranges, positions, torch.tensor([semitones]), voice)
        assert torch.allclose(f0, expected * 2 ** (semitones / 12), rtol=1e-4)
