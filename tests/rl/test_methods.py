"""Every method end to end on a tiny voice, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dlpo.checkpoint import load_checkpoint
from dlpo.errors import ConfigError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, freeze_all_but
from dlpo.rl.diffusion_loss import RecordedWindows
from dlpo.rl.methods import METHODS, Explore, Method, MethodInput, Objective, recorded_loss
from dlpo.rl.rollout import Rollout, roll_out, seed_keys
from tests.rl.conftest import rows_of


def brightness(waveforms: Tensor, *_: object) -> Tensor:
    """A reward with a gradient: the power of differences over the power."""
    steps = waveforms.diff(dim=1).square().sum(1)
    return steps / waveforms.square().sum(1)


@pytest.fixture
def rollout(
    voice: SpectralWaveGrad2, sentences: Conditions, served_chain: NoiseSchedule
) -> Rollout:
    freeze_all_but(voice, "denoiser")
    return roll_out(voice, sentences.repeat(2), served_chain, seed_keys(0, 0, [0, 1], 2), 2)


@pytest.fixture
def rewards() -> Tensor:
    return torch.tensor([-1.2, 0.3, 2.0, 0.5], dtype=torch.float64)


def loss_of(
    objective: Objective, policy: Any, rollout: Rollout, rewards: Tensor, reference: Any = None
) -> Tensor:
    """The loss on a rollout."""
    assert objective.spec.loss is not None
    rewards = rewards.to(rollout.log_probs)
    given = MethodInput(objective, rollout, rewards, reference or policy, brightness)
    return objective.spec.loss(policy, given)


def gradient(voice: SpectralWaveGrad2, loss: Tensor) -> Tensor:
    learning = [p for p in voice.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, learning, allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])


@pytest.mark.parametrize("method", [m for m in METHODS if METHODS[m].loss])
def test_parts_of_a_rollout_add_up_to_the_whole(
    method: Method,
    voice: SpectralWaveGrad2,
    tiny_checkpoint: Path,
    rollout: Rollout,
    rewards: Tensor,
) -> None:
    objective, reference = Objective(method), load_checkpoint(tiny_checkpoint).model
    whole = loss_of(objective, voice, rollout, rewards, reference)
    parts = [
        loss_of(objective, voice, rows_of(rollout, i, i + 2), rewards[i : i + 2], reference)
        for i in (0, 2)
    ]
    found = (gradient(voice, parts[0]) + gradient(voice, parts[1])) / 2
    expected = gradient(voice, whole)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("explore", ["chain", "step"])
def test_at_unit_spread_neither_scale_of_reward_nor_of_diffusion_loss_matters(
    voice: SpectralWaveGrad2, rollout: Rollout, rewards: Tensor, explore: Explore
) -> None:
    def found(objective: Objective, scale: float) -> Tensor:
        return gradient(voice, loss_of(objective, voice, rollout, rewards * scale))

    even, raw = Objective("dlpo", explore, unit_spread=True), Objective("dlpo", explore)
    torch.testing.assert_close(found(even, 1e-9), found(even, 1.0))
    assert not torch.allclose(found(raw, 1e-9), found(raw, 1.0))  # nothing of it is left
    assert not torch.allclose(found(even, 1.0), found(Objective("ddpo"), 1.0))


@pytest.mark.parametrize(
    "values",
    [
        {"method": "ppo"}, {"guide": "none"}, {"alpha": -1.0}, {"beta": float("nan")},
        {"clip_range": 0.0}, {"advantage_bound": -1.0}, {"last_steps": 0},
        {"preference_beta": 0.0}, {"temperature": 0.0}, {"alpha": 0.0, "beta": 0.0},
        {"explore": "noise"}, {"explore": "weights", "method": "ddpo"},
        {"explore": "step", "method": "rwr"},
    ],
)  # fmt: skip
def test_an_objective_is_checked(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Objective(**values)


def test_gradients_of_rewards_and_of_explored_weights_can_be_guided_by_the_control(
    voice: SpectralWaveGrad2, rollout: Rollout, rewards: Tensor, recorded: RecordedWindows
) -> None:
    def on_recordings(objective: Objective) -> Tensor:
        drawn = torch.Generator().manual_seed(0)
        return recorded_loss(objective, voice, recorded, rollout.schedule, drawn)

    guided = Objective("direct", alpha=0.5, beta=3.0, guide="recordings")
    for objective in (guided, Objective("dlpo", "weights", beta=3.0, guide="recordings")):
        torch.testing.assert_close(
            on_recordings(objective), 3 * on_recordings(Objective("control"))
        )
    alone = loss_of(Objective("direct"), voice, rollout, rewards)
    torch.testing.assert_close(loss_of(guided, voice, rollout, rewards), 0.5 * alone)
    assert not Objective("direct").needs_recordings
    assert Objective("direct", guide="both").needs_recordings
