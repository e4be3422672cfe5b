"""How sentences end: movement by contour, and the reward of both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpo.model.contour import point_weights, upsample_contour
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.rl.endings import (
    FARTHEST,
    TARGETS,
    EndingKind,
    bend,
    credit_shares,
    ending_reward,
    movement_weights,
)

DURATIONS = torch.tensor([[3.0, 0.0, 8.0, 12.0, 5.0, 9.0, 7.0, 0.0, 11.0, 6.0]])
FRAMES = int(DURATIONS.sum())
FRAMES_PER_S = 73.5


def sentence(seed: int) -> tuple[torch.Tensor, np.ndarray, torch.Tensor]:
    """Point weights, voicing and a contour (1, 2, P) in ln Hz."""
    random = np.random.default_rng(seed)
    voiced = random.random(FRAMES) < 0.8
    contour = torch.from_numpy(random.normal(5.3, 0.2, (1, 2, DURATIONS.shape[1])))
    weights = point_weights(DURATIONS, frame_positions(FRAMES))[0].double()
    return weights, voiced, contour


def tracked(contour: torch.Tensor, voiced: np.ndarray) -> float:
    """M as a tracker of F0 would measure it: semitones of the voiced frames alone."""
    log_f0 = upsample_contour(contour, DURATIONS.double(), frame_positions(FRAMES))[0].numpy()
    line = 12 * np.log2(np.exp(log_f0[voiced]))
    last, near, far = (round(s * FRAMES_PER_S) for s in (0.06, 0.15, 0.35))
    return float(line[-last:].mean() - line[-far:-near].mean())


@pytest.mark.parametrize("seed", range(5))
def test_movement_is_that_of_a_tracker(seed: int) -> None:
    weights, voiced, contour = sentence(seed)
    of_points = movement_weights(weights, voiced, FRAMES_PER_S)
    assert of_points is not None
    points = contour.transpose(1, 2).flatten()
    assert float(points @ of_points) == pytest.approx(tracked(contour, voiced), abs=1e-4)


def test_too_little_voice_has_no_movement() -> None:
    weights, voiced, _ = sentence(0)
    voiced[10:] = False
    assert movement_weights(weights, voiced, FRAMES_PER_S) is None


def test_bend_ramps_the_end_alone() -> None:
    weights, _, contour = sentence(1)
    voiced = np.ones(FRAMES, bool)
    points = contour.transpose(1, 2).flatten()
    bent = bend(points, weights, voiced, 6.0, 1.0, FRAMES_PER_S).view(1, -1, 2).transpose(1, 2)
    lines = [
        upsample_contour(c, DURATIONS.double(), frame_positions(FRAMES))[0] for c in (contour, bent)
    ]
    change = (lines[1] - lines[0]) * 12 / np.log(2)
    ramp = round(0.35 * FRAMES_PER_S)
    assert change[: -ramp - 12].abs().max() < 0.3  # a point reaches a symbol further
    assert 4.5 < change[-1] < 6.0
    assert 2.5 < tracked(bent, voiced) - tracked(contour, voiced) < 5.0


def test_credit_covers_the_last_seconds() -> None:
    weights, voiced, _ = sentence(2)
    voiced[:] = True
    shares = credit_shares(weights, voiced, 17)  # the last two symbols
    assert shares[-4:].min() > 0.85
    assert shares[:-7].max() < 0.05
    assert torch.all(
        credit_shares(weights, voiced[:32], FRAMES_PER_S)[-4:] < 0.05
    )  # after a list's comma


@pytest.mark.parametrize("kind", TARGETS)
def test_reward_falls_with_distance_from_target(kind: EndingKind) -> None:
    low, high = TARGETS[kind]
    moves = torch.tensor([low, high, low - 2, high + 3, -40, 40])
    expected = torch.tensor([0, 0, -2, -3, -FARTHEST, -FARTHEST])
    torch.testing.assert_close(ending_reward(moves, kind), expected)
