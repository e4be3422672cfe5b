"""The contour: what it depends on, that its steps lead where the flow points, and that F0 is it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlpo.checkpoint import load_checkpoint
from dlpo.model.contour import POINTS, Contour, upsample_contour
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.lite import LiteWaveGrad2
from dlpo.text.symbols import symbol_ids

PHONEMES = torch.tensor([[1, 12, 30, 2, 45, 60, 7]])
EVERYTHING = torch.ones_like(PHONEMES, dtype=torch.bool)
DURATIONS = torch.tensor([[9.0, 4.0, 6.0, 0.0, 5.0, 8.0, 12.0]])


@pytest.fixture
def model(drawing_checkpoint: Path) -> LiteWaveGrad2:
    loaded = load_checkpoint(drawing_checkpoint).model
    assert isinstance(loaded, LiteWaveGrad2)
    return loaded


@pytest.fixture
def contour(model: LiteWaveGrad2) -> Contour:
    assert model.contour is not None
    return model.contour


def noise(seed: int = 0, symbols: int = PHONEMES.shape[1]) -> Tensor:
    return torch.randn(1, POINTS, symbols, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_the_same_noise_draws_the_same_contour_and_another_one_another(contour: Contour) -> None:
    def draw(seed: int) -> Tensor:
        return contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise(seed))

    assert draw(0).shape == (1, POINTS, 7)
    assert torch.equal(draw(0), draw(0))
    assert (draw(0) - draw(1)).abs().mean() > 0.1 * contour.config.spread


@torch.no_grad()
def test_padding_changes_nothing(contour: Contour) -> None:
    def padded(values: Tensor) -> Tensor:
        return nn.functional.pad(values, (0, 5))

    alone = contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise())
    longer = [padded(x) for x in (PHONEMES, EVERYTHING, DURATIONS, noise())]
    together = contour.draw(*longer)
    assert torch.allclose(alone, together[..., :7], atol=1e-5)


@torch.no_grad()
def test_a_hidden_duration_is_not_seen(contour: Contour) -> None:
    known = EVERYTHING.clone()
    known[0, 2] = False
    other = DURATIONS.clone()
    other[0, 2] = 40.0

    def read(durations: Tensor, shown: Tensor | None) -> Tensor:
        return contour.reader(PHONEMES, EVERYTHING, durations, shown)

    assert torch.equal(read(DURATIONS, known), read(other, known))
    assert not torch.allclose(read(DURATIONS, None), read(other, None))


class Straight(nn.Module):
    """The velocity towards one contour: (x_1 - x_t) / (1 - t)."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target = target

    def forward(self, x: Tensor, time: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        return (self.target - x) / (1 - time[:, None, None])


@torch.no_grad()
def test_steps_along_the_flow_end_where_it_leads(contour: Contour) -> None:
    target = noise(5).clamp(-2, 2)
    contour.flow = Straight(target)  # type: ignore[assignment]
    config = contour.config
    for seed in range(3):
        drawn = contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise(seed))
        assert torch.allclose(drawn, config.centre + config.spread * target, atol=1e-4)


@torch.no_grad()
def test_a_contour_stays_within_its_limit(contour: Contour) -> None:
    contour.flow = Straight(torch.full((1, POINTS, 7), 50.0))  # type: ignore[assignment]
    drawn = contour.draw(PHONEMES, EVERYTHING, DURATIONS, noise())
    config = contour.config
    assert torch.allclose(drawn, torch.tensor(config.centre + config.limit * config.spread))


@torch.no_grad()
def test_a_straight_rise_is_upsampled_to_a_straight_rise() -> None:
    durations = torch.full((1, 10), 8.0)
    at_points = torch.arange(10 * POINTS).view(1, 10, POINTS).transpose(1, 2) * 4.0 + 2.0  # frames
    frames = upsample_contour(at_points, durations, frame_positions(80))[0]
    inside = slice(8, -8)
    np.testing.assert_allclose(frames[inside], frame_positions(80)[inside], atol=0.7)


@torch.no_grad()
def test_f0_is_the_contour_and_moves_with_the_pitch(model: LiteWaveGrad2) -> None:
    hidden, _, ranges = model.encode(PHONEMES, EVERYTHING, noise())
    assert hidden.shape == (1, model.config.hidden_channels + POINTS, 7)
    positions = frame_positions(int(DURATIONS.sum()))
    _, durations, _ = model.encode(PHONEMES, EVERYTHING)
    assert model.contour is not None
    drawn = model.contour.draw(PHONEMES, EVERYTHING, durations, noise())
    expected = upsample_contour(drawn, DURATIONS, positions).exp()
    for semitones in (0.0, 12.0):
        _, f0 = model.frames(hidden, DURATIONS, ranges, positions, torch.tensor([semitones]))
        assert torch.allclose(f0, expected * 2 ** (semitones / 12), rtol=1e-4)


@pytest.mark.parametrize("padding", [0, 3])
def test_a_question_is_led_up_from_its_last_stressed_vowel_to_its_mark(
    padding: int, contour: Contour
) -> None:
    contour.config = replace(contour.config, question_rise=6.0)
    row = ["^", "IH1", "Z", " ", "K", "AH1", "M", "IH0", "?"]
    phonemes = torch.tensor([symbol_ids(row) + [0] * padding])
    drawn = noise(symbols=len(row) + padding) / 10 + contour.config.centre
    led = contour.rise(drawn, phonemes, torch.tensor([[contour.config.centre]]))
    first = row.index("AH1")
    torch.testing.assert_close(led[:, :, :first], drawn[:, :, :first], atol=0, rtol=0)
    top = contour.config.centre + 6 * math.log(2) / 12
    for i in range(first, len(row)):
        for half in range(2):  # a straight line from the vowel's begin to the mark
            share = min(1.0, (i - first + (half + 0.5) / 2) / (len(row) - 1 - first))
            expected = (1 - share) * drawn[0, half, i] + share * top
            assert led[0, half, i].item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(led[:, :, len(row) :], drawn[:, :, len(row) :], atol=0, rtol=0)


def test_what_asks_nothing_is_not_led_up(contour: Contour) -> None:
    contour.config = replace(contour.config, question_rise=6.0)
    phonemes = torch.tensor([symbol_ids(["^", "K", "AH1", "M", "."])])
    drawn, centre = noise(symbols=5), torch.tensor([[contour.config.centre]])
    assert torch.equal(contour.rise(drawn, phonemes, centre), drawn)
