"""The reverse chain of a denoiser as a policy: its steps, run with noise and recorded.

    x_N ~ N(0, I);  x_{k+1} ~ N(mu_theta(x_k, c), sigma_k^2),  k = 0 .. N - 1

Symbols: k counts reverse steps as `dlpo.noise_schedule` does, 0 = noisiest; theta the policy's
weights; c the prompt's conditions; sigma_k `schedule.posterior_std[k]`. See `scored_steps` for
those that carry a score; the others are part of the environment.

Past the end of a row the chain is held at 0: no action and no output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dlpo.diffusion import q_sample, step_mean, to_eps, training_target
from dlpo.errors import InputError
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.conditions import Conditions, Key, inside_mean, padded_noise, seed_keys
from dlpo.rl.core.policy import DiffusionModel, Numbered, RecordedSamples
from dlpo.rl.core.rollout import TYPICAL_SAMPLES, Replay, Rollout, scored_steps

GUIDE, REGRESSION = 1, 5  # purposes in the keys of own samples' noise; the chain's have none


def step_log_prob(sample: Tensor, mean: Tensor, std: Tensor, inside: Tensor) -> Tensor:
    """Log-density of outcomes of reverse steps, averaged over each row's samples.

    Args:
        sample, mean: (..., B, T).
        std: broadcasts to them.
        inside: (B, T).

    Returns:
        (..., B).
    """
    density = -0.5 * ((sample - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)
    return inside_mean(density, inside)


class ChainPolicy(nn.Module):
    """A model's reverse chain; a `dlpo.rl.core.policy.Policy` whose actions have a density.

    Args:
        model: a `DiffusionModel`, in eval mode, since actions exclude dropout; its `x0_limit`, if
            it has one, bounds |x0| at each step.
        schedule: the levels that the chain visits.
        typical_samples: of a row: losses are sums over samples divided by this number. The loss on
            recordings is a mean, so it also sets what beta is measured in.
    """

    def __init__(
        self,
        model: DiffusionModel | Any,
        schedule: NoiseSchedule,
        typical_samples: int = TYPICAL_SAMPLES,
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.schedule = schedule
        self.typical_samples = typical_samples

    def conditions(self, prompts: Sequence[Any]) -> Conditions:
        """What the network is given for each prompt."""
        found: Conditions = self.model.condition(prompts)
        return found

    def step_mean(self, conditions: Conditions, noisy: Tensor, step: int) -> Tensor:
        """(B, T) x at `step` -> (B, T) mean of the next x, 0 past the end of a row.

        Raises:
            InputError: the model is in train mode.
        """
        model, schedule = self.model, self.schedule
        if model.training:
            raise InputError(
                "the policy is in train mode; call eval(): its actions exclude dropout"
            )
        level = torch.tensor([float(schedule.noise_levels[step])], device=noisy.device)
        prediction = model.denoise(noisy, level, *conditions.inputs)
        limit = getattr(model, "x0_limit", None)
        mean = step_mean(noisy, prediction, schedule, step, model.parametrisation, limit)
        return mean * conditions.inside

    # ------------------------------------------------------------------ acting
    def draw(
        self,
        prompts: Sequence[Numbered],
        key: tuple[int, int],
        group: int,
    ) -> Rollout:
        """See `Policy.draw`."""
        conditions = self.conditions(prompts).repeat(group)
        keys = seed_keys(*key, [prompt.number for prompt in prompts], group)
        rollout = self.roll_out(conditions, keys, group)
        return replace(rollout, prompts=tuple(p for p in prompts for _ in range(group)))

    @torch.no_grad()
    def roll_out(self, conditions: Conditions, keys: Sequence[Key], group: int) -> Rollout:
        """Run the chain from each row's own noise.

        A row depends on its conditions, its key and the policy alone, not on the other rows of the
        batch (up to rounding of batched arithmetic).

        Args:
            conditions: of B rows; the seeds of a prompt adjacent, see `Conditions.repeat`.
            keys: B keys, see `seed_keys`.
            group: G, seeds of each prompt.

        Raises:
            InputError: a model in train mode, or counts that don't fit each other.
        """
        schedule = self.schedule
        if len(keys) != len(conditions) or group < 1 or len(keys) % group:
            raise InputError(
                f"{len(keys)} keys for {len(conditions)} rows in groups of {group}; expected one"
                " key per row, and whole groups"
            )
        noise = padded_noise(conditions, keys, schedule.noise_count)
        inside = conditions.inside
        states, means = [noise[0]], []
        for step in range(schedule.steps):
            mean = self.step_mean(conditions, states[-1], step)
            row = schedule.noise_row(step)
            std = float(schedule.posterior_std[step])
            means.append(mean)
            states.append(mean if row is None else mean + std * noise[row])
        stds = torch.from_numpy(schedule.posterior_std).to(inside)
        log_probs = [
            step_log_prob(states[k + 1], means[k], stds[k], inside) for k in scored_steps(schedule)
        ]
        return Rollout(
            conditions,
            schedule,
            torch.stack(states),
            torch.stack(means),
            torch.stack(log_probs) if log_probs else inside.new_zeros(0, len(keys)),
            tuple(keys),
            group,
            typical_samples=self.typical_samples,
        )

    # ------------------------------------------------------------------ learning from actions
    def replay(self, rollout: Rollout) -> Replay:
        """Evaluate the policy on the states and actions of a rollout.

        With the policy that acted, in the same batch, the log-densities match the rollout's bit for
        bit. Call it under `torch.no_grad` for a reference.

        Raises:
            InputError: the model is in train mode, or the chain has no scored step.
        """
        conditions, schedule = rollout.conditions, self.schedule
        if not rollout.scored:
            raise InputError(
                f"schedule {schedule.name} with {schedule.steps} steps and eta {schedule.eta} adds"
                " no noise to learn from; choose eta > 0 and at least 2 steps"
            )
        inside, stds = conditions.inside, rollout.stds
        means, log_probs = [], []
        for k in rollout.scored:
            mean = self.step_mean(conditions, rollout.states[k], k)
            means.append(mean)
            log_probs.append(step_log_prob(rollout.states[k + 1], mean, stds[k], inside))
        return Replay(torch.stack(means), torch.stack(log_probs))

    def matching_losses(
        self, drawn: Rollout, draws: int, before: ChainPolicy | None = None
    ) -> Tensor:
        """(draws x N, B): see `Policy.matching_losses`; at the N levels of the chain.

        In units of what is left to tell of the noise, so that the cleanest levels, where a
        prediction can tell least, don't outweigh those that decide.
        """
        steps = range(self.schedule.steps)
        errors = self.errors_at(drawn, steps, draws, REGRESSION, before)
        return (errors / self.untold().to(errors)).flatten(0, 1) * drawn.lengths

    def untold(self) -> Tensor:
        """(N, 1): variance of the noise that a step's noisy sample doesn't tell by itself; 1 of a
        model that doesn't say."""
        levels = torch.tensor(self.schedule.noise_levels[:-1], dtype=torch.float32)
        untold: Tensor = getattr(self.model, "untold", torch.ones_like)(levels)
        return untold.square()[:, None]

    @torch.no_grad()
    def own_loss(self, drawn: Rollout, draws: int) -> Tensor:
        """(S, B): how unlikely the model finds its own output, at the level of each scored step.

            DL_k = mean over the draws of || eps - eps_theta(alpha_k x_0 + sigma_k eps, c, k) ||^2
                   / samples

        x_0 is the rollout's output, since a prompt has no recording.
        """
        return self.errors_at(drawn, drawn.scored, draws, GUIDE).mean(0)

    def divergence(
        self,
        drawn: Rollout,
        draws: int,
        before: ChainPolicy,
        everywhere: float = 1.0,
        outside: float = 0.0,
    ) -> Tensor:
        """(): see `Policy.divergence`; a chain's reward credits all of its samples."""
        return everywhere * self.matching_losses(drawn, draws, before).mean()

    def errors_at(
        self,
        drawn: Rollout,
        steps: Sequence[int],
        draws: int,
        purpose: int,
        before: ChainPolicy | None = None,
    ) -> Tensor:
        """Squared errors of the noise predicted in outputs, re-noised to the levels of some steps.

            || eps - eps_theta(alpha x_0 + sigma eps, c) ||^2 / samples

        Returns:
            (draws, steps, B), with their gradient.

        Args:
            purpose: ends the keys of the noise, which the seeds of a prompt share.
            before: a policy whose prediction takes the place of eps.
        """
        errors = []
        for k, eps in self._noises(drawn, steps, draws, purpose):
            with torch.no_grad():
                wanted = eps if before is None else before.predicted_noise(drawn, k, eps)
            error = (wanted - self.predicted_noise(drawn, k, eps)).square()
            errors.append(inside_mean(error, drawn.conditions.inside))
        return torch.stack(errors).view(draws, len(steps), len(drawn))

    def _noises(
        self, drawn: Rollout, steps: Sequence[int], draws: int, purpose: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Each step, once per draw, with its noise (B, T), the same for the seeds of a prompt.

        Every second draw is the one before it, negated: most of what noise adds to the difference
        of two seeds is odd in it, and cancels.
        """
        group = drawn.group
        of_prompts = drawn.conditions.rows(slice(None, None, group))
        for number in range(draws):
            keys = [(*key, purpose, number // 2) for key in drawn.keys[::group]]
            noise = padded_noise(of_prompts, keys, len(steps)).repeat_interleave(group, 1)
            yield from zip(steps, -noise if number % 2 else noise, strict=True)

    def predicted_noise(self, drawn: Rollout, step: int, eps: Tensor) -> Tensor:
        """(B, T): eps_theta in the outputs, noised by eps (B, T) to the level of a step."""
        level = eps.new_tensor([float(self.schedule.noise_levels[step])])
        noisy, model = q_sample(drawn.output, level, eps), self.model
        prediction = model.denoise(noisy, level, *drawn.conditions.inputs)
        return to_eps(prediction, noisy, level, model.parametrisation)

    # ------------------------------------------------------------------ learning from recordings
    def diffusion_loss(self, recorded: RecordedSamples, generator: torch.Generator) -> Tensor:
        """See `Policy.diffusion_loss`: the L1 error of the predictions, at the chain's levels.

        Reference: Chen et al. 2021 (WaveGrad), eq. 11, at N levels.
        """
        prediction, _, level, noise = self.predict_recorded(recorded, generator)
        target = training_target(recorded.clean, level, noise, self.model.parametrisation)
        return inside_mean((prediction - target).abs(), recorded.conditions.inside).mean()

    def predict_recorded(
        self, recorded: RecordedSamples, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predictions (B, T), noisy samples (B, T), their levels (B,) and the noise (B, T)."""
        clean, (rank, ranks) = recorded.clean, recorded.share
        size, samples = len(clean) * ranks, clean.shape[1]
        steps = torch.randint(self.schedule.steps, (size,), generator=generator)[rank::ranks]
        levels = torch.from_numpy(self.schedule.noise_levels)[steps].to(clean)
        noise = torch.randn(size, samples, generator=generator)[rank::ranks].to(clean)
        noisy = q_sample(clean, levels, noise)
        prediction: Tensor = self.model.denoise(noisy, levels, *recorded.conditions.inputs)
        return prediction, noisy, levels, noise
