"""Rollouts: the exported N-step chain, run with noise and recorded step by step.

    x_N ~ N(0, I);  x_{k+1} ~ N(mu_theta(x_k, c), sigma_k^2),  k = 0 .. N - 1

Symbols: k counts reverse steps as `dlpo.noise_schedule` does, 0 = noisiest; theta the policy's
weights; c the text's conditioning; sigma_k `schedule.posterior_std[k]`. A step with sigma_k below
`LEAST_STD` has no usable density and carries no score: with eta > 0 that is only the last one,
which lands on the clean level. Its noise-free mean is part of the environment.

Past the end of a sentence the chain is held at 0: no action and no sound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import Waveform
from dlpo.diffusion import step_mean
from dlpo.errors import InputError
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, Policy, inside_mean

LEAST_STD = 1e-3  # 1 / std^2 weights the score: a smaller std drowns out all other steps
Key = tuple[int, ...]


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
    def sentence_keys(self) -> tuple[Key, ...]:
        """B keys, equal for the seeds of a sentence: for draws that must not favor one."""
        return tuple(self.keys[b - b % self.group] for b in range(len(self)))

    def __len__(self) -> int:
        return len(self.keys)

    def waveforms(self, policy: Policy) -> list[Waveform]:
        """B waveforms, each at its own length, float32, ready for a judge."""
        waveforms = policy.to_waveform(self.output).detach().float().cpu().numpy()
        ends = (self.conditions.frames * self.conditions.samples_per_frame).tolist()
        return [row[:end] for row, end in zip(waveforms, ends, strict=True)]


def scored_steps(schedule: NoiseSchedule, explored: int | None = None) -> tuple[int, ...]:
    """The steps with enough noise to have a density that can be weighed, or the explored one."""
    if explored is not None:
        return (explored,)
    return tuple(int(k) for k in np.flatnonzero(schedule.posterior_std >= LEAST_STD))


def seed_keys(seed: int, update: int, numbers: Sequence[int], group: int) -> tuple[Key, ...]:
    """Keys of all rows: (seed, update, sentence number, seed number)."""
    return tuple((seed, update, number, g) for number in numbers for g in range(group))


def keyed_noise(key: Key, rows: int, samples: int) -> Tensor:
    """(rows, samples) float32, standard normal, from a key alone."""
    random = np.random.default_rng(key)
    return torch.from_numpy(random.standard_normal((rows, samples), dtype=np.float32))


def policy_step_mean(
    policy: Policy, conditions: Conditions, noisy: Tensor, schedule: NoiseSchedule, step: int
) -> Tensor:
    """(B, T) x at `step` -> (B, T) mean of the next x, 0 past the end of a sentence.

    Raises:
        InputError: the policy is in train mode.
    """
    if policy.training:
        raise InputError("the policy is in train mode; call eval(): its actions exclude dropout")
    level = torch.tensor([float(schedule.noise_levels[step])], device=noisy.device)
    prediction = policy.denoise(noisy, level, conditions.conditioning, conditions.source)
    mean = step_mean(noisy, prediction, schedule, step, policy.parametrisation, policy.x0_limit)
    return mean * conditions.inside


def step_log_prob(sample: Tensor, mean: Tensor, std: Tensor, inside: Tensor) -> Tensor:
    """Log-density of outcomes of reverse steps, averaged over each sentence's samples.

    Args:
        sample, mean: (..., B, T).
        std: broadcasts to them.
        inside: (B, T).

    Returns:
        (..., B).
    """
    density = -0.5 * ((sample - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)
    return inside_mean(density, inside)


@torch.no_grad()
def roll_out(
    policy: Policy,
    conditions: Conditions,
    schedule: NoiseSchedule,
    keys: Sequence[Key],
    group: int,
    explored: int | None = None,
) -> Rollout:
    """Run the chain from each row's own noise.

    A row depends on its sentence, its key and the policy alone, not on the other rows of the
    batch (up to rounding of batched arithmetic).

    Args:
        policy: in eval mode.
        conditions: of B rows; the seeds of a sentence adjacent, see `Conditions.repeat`.
        schedule: of the exported chain.
        keys: B keys, see `seed_keys`.
        group: G, seeds of each sentence.
        explored: see `Rollout.explored`.

    Raises:
        InputError: a policy in train mode, or counts that don't fit each other.
    """
    if len(keys) != len(conditions) or group < 1 or len(keys) % group:
        raise InputError(
            f"{len(keys)} keys for {len(conditions)} rows in groups of {group}; expected one key"
            " per row, and whole groups"
        )
    noise = padded_noise(conditions, keys, schedule.noise_count)
    if explored is not None:
        own = noise[schedule.noise_row(explored)]
        noise = noise[:, ::group].repeat_interleave(group, 1)
        noise[schedule.noise_row(explored)] = own
    inside = conditions.inside
    states, means = [noise[0]], []
    for step in range(schedule.steps):
        mean = policy_step_mean(policy, conditions, states[-1], schedule, step)
        row = schedule.noise_row(step)
        std = float(schedule.posterior_std[step])
        means.append(mean)
        states.append(mean if row is None else mean + std * noise[row])
    stds = torch.from_numpy(schedule.posterior_std).to(inside)
    log_probs = [
        step_log_prob(states[k + 1], means[k], stds[k], inside)
        for k in scored_steps(schedule, explored)
    ]
    return Rollout(
        conditions,
        schedule,
        torch.stack(states),
        torch.stack(means),
        torch.stack(log_probs) if log_probs else inside.new_zeros(0, len(keys)),
        tuple(keys),
        group,
        explored=explored,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Densities of a rollout's actions under a policy, differentiable in its weights."""

    means: Tensor
    """(S, B, T): mean of each scored step"""
    log_probs: Tensor
    """(S, B): log-density of the action taken"""


def replay(policy: Policy, rollout: Rollout) -> Replay:
    """Evaluate a policy on the states and actions of a rollout.

    With the policy that acted, in the same batch, the log-densities match the rollout's bit for
    bit. Call it under `torch.no_grad` for a reference.

    Raises:
        InputError: the policy is in train mode, or the chain has no scored step.
    """
    conditions, schedule = rollout.conditions, rollout.schedule
    if not rollout.scored:
        raise InputError(
            f"schedule {schedule.name} with {schedule.steps} steps and eta {schedule.eta} adds"
            " no noise to learn from; choose eta > 0 and at least 2 steps"
        )
    inside, stds = conditions.inside, rollout.stds
    means, log_probs = [], []
    for k in rollout.scored:
        mean = policy_step_mean(policy, conditions, rollout.states[k], schedule, k)
        means.append(mean)
        log_probs.append(step_log_prob(rollout.states[k + 1], mean, stds[k], inside))
    return Replay(torch.stack(means), torch.stack(log_probs))


def padded_noise(conditions: Conditions, keys: Sequence[Key], rows: int) -> Tensor:
    """(`rows`, B, T): each sentence's own noise, from its key; 0 past its end."""
    noise = torch.zeros(rows, *conditions.source.shape)
    for b, (key, frames) in enumerate(zip(keys, conditions.frames.tolist(), strict=True)):
        samples = frames * conditions.samples_per_frame
        noise[:, b, :samples] = keyed_noise(key, rows, samples)
    return noise.to(conditions.source)
