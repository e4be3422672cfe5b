"""Gaussian upsampling against a direct loop, and where symbols or padding do not last."""

from __future__ import annotations

import math

import torch

from dlpo.model.gaussian_upsampling import frame_positions, gaussian_upsample, upsampling_weights

DURATIONS = torch.tensor([[3.0, 0.0, 2.0, 5.0], [1.0, 4.0, 0.0, 0.0]])
RANGES = torch.tensor([[1.0, 2.0, 0.5, 1.5], [0.7, 1.2, 1.0, 1.0]])


def direct_weights(durations: list[float], ranges: list[float], position: float) -> list[float]:
    densities, end = [], 0.0
    for duration, std in zip(durations, ranges, strict=True):
        end += duration
        centre = end - duration / 2
        density = math.exp(-0.5 * ((position - centre) / std) ** 2) / (std * math.sqrt(2 * math.pi))
        densities.append(density if duration > 0 else 0.0)
    return [density / sum(densities) for density in densities]


def test_weights_equal_a_direct_loop() -> None:
    positions = frame_positions(10)
    weights = upsampling_weights(DURATIONS, RANGES, positions)
    for b in range(2):
        for f in range(10):
            expected = direct_weights(DURATIONS[b].tolist(), RANGES[b].tolist(), f + 0.5)
            torch.testing.assert_close(weights[b, f], torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_padding_changes_nothing() -> None:
    hidden = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    whole = gaussian_upsample(hidden, DURATIONS, RANGES, frame_positions(5))
    alone = gaussian_upsample(
        hidden[1:, :, :2], DURATIONS[1:, :2], RANGES[1:, :2], frame_positions(5)
    )
    torch.testing.assert_close(whole[1:], alone)


def test_window_equals_the_same_frames_of_the_whole() -> None:
    whole = upsampling_weights(DURATIONS, RANGES, frame_positions(10))
    starts = torch.tensor([[4.0], [1.0]])
    window = upsampling_weights(DURATIONS, RANGES, starts + frame_positions(3))
    torch.testing.assert_close(window[0], whole[0, 4:7])
    torch.testing.assert_close(window[1], whole[1, 1:4])


def test_far_frames_and_empty_utterances_stay_finite() -> None:
    far = upsampling_weights(DURATIONS, RANGES, torch.tensor([1e4, 1e6]))
    torch.testing.assert_close(far.sum(-1), torch.ones(2, 2))
    empty = upsampling_weights(torch.zeros(1, 3), torch.ones(1, 3), frame_positions(2))
    assert empty.abs().max() == 0


def test_durations_and_ranges_receive_gradients() -> None:
    durations = DURATIONS.double().requires_grad_()
    ranges = RANGES.double().requires_grad_()
    positions = frame_positions(6).double()
    lasting = DURATIONS > 0
    assert torch.autograd.gradcheck(
        lambda d, r: upsampling_weights(torch.where(lasting, d, 0.0), r, positions),
        (durations, ranges),
    )
