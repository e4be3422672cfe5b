"""What a chain did: its states, their means and log-densities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import Waveform
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions
from dlpo.rl.noise import Key

LEAST_STD = 1e-3  # 1 / std^2 weights the score: a smaller std drowns out all other steps
TYPICAL_SAMPLES = (
    4 * PUBLISHED_GRID.sample_rate_hz
)  # of a sentence; keeps losses that are sums near 1


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """B chains with all their states; the seeds of a sentence are adjacent rows."""

    conditions: Conditions
    """of B rows"""
    schedule: NoiseSchedule
    states: Tensor
    """(N + 1, B, T): x_N first, the output last; 0 past the end of a sentence"""
    means: Tensor
    """(N, B, T): mean of each step under the policy that acted"""
    log_probs: Tensor
    """(S, B): log-density of each scored step, averaged over the sentence's samples"""
    keys: tuple[Key, ...]
    """B keys that the noise was drawn from"""
    group: int
    """G, the seeds of each sentence"""
    texts: tuple[str, ...] = ()
    """B texts of the sentences, for judges that read them"""
    explored: int | None = None
    """the one step whose noise the seeds of a sentence don't share; None: they share none"""

    @property
    def scored(self) -> tuple[int, ...]:
        """The S steps that carry a score."""
        return scored_steps(self.schedule, self.explored)

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
        """(B,) samples of each sentence over `TYPICAL_SAMPLES`: turns means over a sentence's
        samples into sums, up to one constant."""
        samples = self.conditions.frames * self.conditions.samples_per_frame
        return samples.to(self.states) / TYPICAL_SAMPLES

    @property
    def sentence_keys(self) -> tuple[Key, ...]:
        """B keys, equal for the seeds of a sentence: for draws that must not favor one."""
        return tuple(self.keys[b - b % self.group] for b in range(len(self)))

    def __len__(self) -> int:
        return len(self.keys)

    def waveforms(self, model: Model) -> list[Waveform]:
        """B waveforms, each at its own length, float32, ready for a judge."""
        waveforms = model.to_waveform(self.output).detach().float().cpu().numpy()
        ends = (self.conditions.frames * self.conditions.samples_per_frame).tolist()
        return [row[:end] for row, end in zip(waveforms, ends, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Densities of a rollout's actions under a policy, differentiable in its weights."""

    means: Tensor
    """(S, B, T): mean of each scored step"""
    log_probs: Tensor
    """(S, B): log-density of the action taken"""


def scored_steps(schedule: NoiseSchedule, explored: int | None = None) -> tuple[int, ...]:
    """The steps with enough noise to have a density that can be weighed, or the explored one.

    With eta > 0 that leaves out the last step, which lands on the clean level, and of `logarithmic`
    in 6 steps also the fifth, whose sigma is 0.00097: four of its six steps are scored.
    """
    if explored is not None:
        return (explored,)
    return tuple(int(k) for k in np.flatnonzero(schedule.posterior_std >= LEAST_STD))
