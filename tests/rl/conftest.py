"""Chains of one sample, whose every moment is known in closed form, and a tiny voice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlpo.checkpoint import load_checkpoint
from dlpo.config import Parametrisation
from dlpo.model.lite import LiteWaveGrad2
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.conditions import Conditions, conditions_of
from dlpo.rl.prompts import Prompt
from dlpo.rl.rollout import Rollout, mean_of_step, replay, roll_out, seed_keys

NODES = 7  # of the quadrature: exact for polynomials up to degree 13 in each draw


class LinearPolicy(nn.Module):
    """x0 = weight x + bias in each step: with it every state of a chain is Gaussian."""

    parametrisation: Parametrisation = "x0"
    x0_limit: float | None = None

    def __init__(self, bias: float = 0.4, weight: float = 0.3) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.eval()

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        return self.weight * noisy + self.bias

    def to_waveform(self, x0: Tensor) -> Tensor:
        return x0


@dataclass(frozen=True)
class Linear:
    """The chain of a `LinearPolicy`, worked out anew from Song et al. 2021, eq. 12."""

    schedule: NoiseSchedule

    def step(self, k: int, bias: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, float]:
        """Slope and offset of the next mean as a function of x_k, and its standard deviation."""
        a, b = self.schedule.noise_levels[k : k + 2]
        noise_a, noise_b = math.sqrt(1 - a * a), math.sqrt(max(0.0, 1 - b * b))
        std = self.schedule.eta * noise_b / noise_a * math.sqrt(1 - (a / b) ** 2)
        kept = math.sqrt(max(0.0, noise_b**2 - std**2)) / noise_a
        return b * weight + kept * (1 - a * weight), (b - kept * a) * bias, std

    def moments(self, steps: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Mean and variance of each state, given (bias, weight) of each step."""
        mean, variance = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        found = [(mean, variance)]
        for k, (bias, weight) in enumerate(steps):
            slope, offset, std = self.step(k, bias, weight)
            mean, variance = slope * mean + offset, slope**2 * variance + std**2
            found.append((mean, variance))
        return found


class Toy:
    """What tests of one-sample chains share."""

    Policy = LinearPolicy
    Linear = Linear

    @staticmethod
    def conditions(rows: int) -> Conditions:
        """Sentences of one sample, in double precision."""
        empty = torch.zeros(rows, 1, 1, dtype=torch.float64)
        return Conditions(empty, empty[:, 0], torch.ones(rows, dtype=torch.int64))

    @classmethod
    def rollout(
        cls, policy: LinearPolicy, schedule: NoiseSchedule, rows: int, group: int = 1, seed: int = 0
    ) -> Rollout:
        """Many chains of one sample."""
        keys = seed_keys(seed, 0, range(rows // group), group)
        return roll_out(policy, cls.conditions(rows), schedule, keys, group)

    @classmethod
    @torch.no_grad()
    def enumerated(cls, policy: LinearPolicy, schedule: NoiseSchedule) -> tuple[Rollout, Tensor]:
        """Chains through all nodes of a quadrature, and (B,) weights that make a mean over them
        the exact expectation of a polynomial of the noise."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        chosen = list(product(range(NODES), repeat=schedule.noise_count))
        noise = torch.tensor([[nodes[i] for i in row] for row in chosen])  # (B, K)
        weight = torch.tensor([math.prod(weights[i] for i in row) for row in chosen])
        conditions = cls.conditions(len(chosen))
        states, means = [noise[:, :1]], []
        for k in range(schedule.steps):
            means.append(mean_of_step(policy, conditions, states[-1], schedule, k))
            row = schedule.noise_row(k)
            drawn = 0.0 if row is None else schedule.posterior_std[k] * noise[:, row : row + 1]
            states.append(means[-1] + drawn)
        keys = seed_keys(0, 0, range(len(chosen)), 1)
        rollout = Rollout(
            conditions, schedule, torch.stack(states), torch.stack(means), torch.empty(0), keys, 1
        )
        log_probs = replay(policy, rollout).log_probs
        rollout = Rollout(conditions, schedule, rollout.states, rollout.means, log_probs, keys, 1)
        return rollout, weight * len(chosen)


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def noisy_chain() -> NoiseSchedule:
    """Two steps, both with noise, so that the policy gradient sees all that the policy does."""
    return NoiseSchedule("noisy", np.array([0.3, 0.7, 0.9]), 1.0)


@pytest.fixture
def served_chain() -> NoiseSchedule:
    """Three steps of which the last has no noise, as they are served."""
    return named_schedule("cosine:1.25", 3, 0.7)


@pytest.fixture
def voice(tiny_checkpoint: Path) -> LiteWaveGrad2:
    """The tiny voice, fresh for each test."""
    model = load_checkpoint(tiny_checkpoint).model
    assert isinstance(model, LiteWaveGrad2)
    return model


@pytest.fixture
def sentences(voice: LiteWaveGrad2) -> Conditions:
    """Two sentences of different lengths, as the tiny voice says them."""
    reach = context_frames_per_step(voice, voice.config.conditioning_channels)
    spoken = [
        Prompt(number, "hum", 10 + np.arange(symbols, dtype=np.int64))
        for number, symbols in enumerate((20, 36))
    ]
    return conditions_of(voice, spoken, reach)
