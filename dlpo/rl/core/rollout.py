"""What a chain did: its states, their means and log-densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.conditions import Conditions, Key

LEAST_STD = 1e-3  # 1 / std^2 weights the score: a smaller std drowns out all other steps
TYPICAL_SAMPLES = 88_200  # of a sample, 4 s at 22,050 Hz; keeps losses that are sums near 1


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """B chains with all their states; the seeds of a prompt are adjacent rows."""

    conditions: Conditions
    """of B rows"""
    schedule: NoiseSchedule
    states: Tensor
    """(N + 1, B, T): x_N first, the output last; 0 past the end of a row"""
    means: Tensor
    """(N, B, T): mean of each step under the policy that acted"""
    log_probs: Tensor
    """(S, B): log-density of each scored step, averaged over the row's samples"""
    keys: tuple[Key, ...]
    """B keys that the noise was drawn from"""
    group: int
    """G, the seeds of each prompt"""
    prompts: tuple[Any, ...] = ()
    """of B rows, for rewards that depend on what was asked for"""
    typical_samples: int = TYPICAL_SAMPLES
    """see `ChainPolicy`"""

    @property
    def scored(self) -> tuple[int, ...]:
        """The S steps that carry a score."""
        return scored_steps(self.schedule)

    @property
    def stds(self) -> Tensor:
        """(N,) standard deviation of each step's noise."""
        return torch.from_numpy(self.schedule.posterior_std).to(self.states)

    @property
    def output(self) -> Tensor:
        """(B, T): x at the schedule's last level, as the chain makes it."""
        return self.states[-1]

    @property
    def acted(self) -> Replay:
        """The densities under the policy that acted."""
        return Replay(self.means[list(self.scored)], self.log_probs)

    @property
    def lengths(self) -> Tensor:
        """(B,) samples of each row over `typical_samples`: turns means over a row's samples into
        sums, up to one constant."""
        return self.conditions.samples.to(self.states) / self.typical_samples

    @property
    def prompt_keys(self) -> tuple[Key, ...]:
        """B keys, equal for the seeds of a prompt: for draws that must not favor one."""
        return tuple(self.keys[b - b % self.group] for b in range(len(self)))

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Densities of a rollout's actions under a policy, differentiable in its weights."""

    means: Tensor
    """(S, B, T): mean of each scored step"""
    log_probs: Tensor
    """(S, B): log-density of the action taken"""


def scored_steps(schedule: NoiseSchedule) -> tuple[int, ...]:
    """The steps with enough noise to have a density that can be weighed.

    With eta > 0 that leaves out the last step, which lands on the clean level, and of `logarithmic`
    in 6 steps also the fifth, whose sigma is 0.00097: four of its six steps are scored.
    """
    return tuple(int(k) for k in np.flatnonzero(schedule.posterior_std >= LEAST_STD))
