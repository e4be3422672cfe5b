"""Where an update's batch comes from and what is minimised on it.

A `Step` is all that the tuner knows of a method: it draws once an update, and hands out the terms
of the loss for each pass over what was drawn. `RolloutStep` lets the policy act, `RecordedStep` is
the control. Learning from preference pairs is a third of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Policy
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.guide import renoised_loss
from dlpo.rl.methods import Objective, recorded_loss, rollout_loss
from dlpo.rl.objectives import kl_divergence
from dlpo.rl.processes import Processes
from dlpo.rl.recordings import cut_of
from dlpo.rl.rollout import Replay, Rollout, replay
from dlpo.rl.rollouts import Rollouts
from dlpo.training.batches import Batches


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the loss that fits into memory."""

    weight: float
    loss: Callable[[Policy], Tensor]
    """() with its gradient"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one update learns from."""

    terms: Callable[[int], Sequence[Term]]
    """number of the pass -> what is added up to its loss"""
    figures: dict[str, float] = field(default_factory=dict)
    """for the log"""
    measure: Callable[[], dict[str, float]] = dict
    """how far the policy has moved by learning; asked when it is logged, for it costs"""


class Step(Protocol):
    """A method's side of the tuner."""

    def draw(self, update: int, logged: bool) -> Drawn:
        """What update `update` (0 is the first) learns from.

        Args:
            logged: whether its figures will be read; what only the log wants may be left out else.

        Raises:
            TrainingError: a judge failed.
        """
        ...


class Recordings:
    """Windows of recordings to learn from, shared out over the processes.

    Two processes learn what one does, but for the control's spectral distance: it is a share of
    the mean magnitude of each process's own windows.

    Args:
        model: the policy.
        batches: of the train split, the same for all processes.
        objective: says what is learnt.
        chain: whose levels it is learnt at.
        processes: who share the windows.
        size: windows an optimiser step.
        window: frames of each.

    Raises:
        ConfigError: no recordings, or windows that can't be shared out.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches,
        objective: Objective,
        chain: NoiseSchedule,
        processes: Processes,
        size: int,
        window: int,
    ) -> None:
        if size % processes.count:
            raise ConfigError(
                f"window_batch is {size} for {processes.count} processes; expected a multiple"
            )
        if not batches.recorded:
            raise ConfigError("the dataset's train split has no recordings; prepare one with audio")
        self.batches, self.objective, self.chain = batches, objective, chain
        self.processes, self.size, self.window = processes, size, window
        self.cut = cut_of(model, batches)

    def term(self, number: int) -> Term:
        """The loss on batch `number`."""
        rank, ranks = self.processes.rank, self.processes.count
        places = self.batches.places(number, self.size, self.window)[rank::ranks]
        recorded = self.cut(places, self.window, (rank, ranks))
        seed = self.batches.key[0] * 1_000_003 + number

        def loss(policy: Policy) -> Tensor:
            drawn = torch.Generator().manual_seed(seed)
            return recorded_loss(self.objective, policy, recorded, self.chain, drawn)

        return Term(1.0, loss)


class RecordedStep:
    """Continued supervised training: the control.

    Args:
        recordings: what is learnt from.
        rollouts: said and judged for the log alone.
        passes: batches an update, as many as a rollout is learnt from.
    """

    def __init__(self, recordings: Recordings, rollouts: Rollouts, passes: int) -> None:
        self.recordings, self.rollouts, self.passes = recordings, rollouts, passes

    def draw(self, update: int, logged: bool) -> Drawn:
        """See `Step.draw`."""
        figures = {}
        if logged:
            figures = self.rollouts.judge(self.rollouts.say(update)).figures
        first = update * self.passes
        return Drawn(lambda passed: [self.recordings.term(first + passed)], figures)


class RolloutStep:
    """The policy acts, its output is judged, and it learns from both.

    Args:
        objective: the method.
        rollouts: what it says and what that is worth.
        reference: the policy before tuning, where the method asks it.
        reward: with a gradient, for the direct method.
        recordings: where they are learnt from as well.
        passes: optimiser steps on each rollout.
    """

    def __init__(
        self,
        objective: Objective,
        rollouts: Rollouts,
        *,
        reference: Policy | None = None,
        reward: DifferentiableReward | None = None,
        recordings: Recordings | None = None,
        passes: int = 1,
    ) -> None:
        self.objective, self.rollouts, self.recordings = objective, rollouts, recordings
        self.reference, self.reward, self.passes = reference, reward, passes

    def draw(self, update: int, logged: bool) -> Drawn:
        """See `Step.draw`."""
        said = self.rollouts.say(update)
        figures: dict[str, float] = {}
        rewards: Sequence[Tensor | None] = [None] * len(said.parts)
        if self.objective.needs_rewards or logged:
            worth = self.rollouts.judge(said)
            figures, rewards = worth.figures, worth.rewards
        acted = [
            Term(len(part) / len(said), partial(self._loss, part, worths))
            for part, worths in zip(said.parts, rewards, strict=True)
        ]

        def terms(passed: int) -> list[Term]:
            if self.recordings is None:
                return acted
            return [*acted, self.recordings.term(update * self.passes + passed)]

        return Drawn(terms, figures, lambda: self._measure(said.parts[0]))

    def _loss(self, part: Rollout, rewards: Tensor | None, policy: Policy) -> Tensor:
        return rollout_loss(
            self.objective,
            policy,
            part,
            rewards,
            reference=self.reference,
            reward=self.reward,
        )

    @torch.no_grad()
    def _measure(self, part: Rollout) -> dict[str, float]:
        """Ratios of the policy after its steps to the one that acted, over one part."""
        policy = self.rollouts.model
        asked = replay(policy, part)
        ratio = (asked.log_probs - part.log_probs).exp()
        acted = Replay(part.means[list(part.scored)], part.log_probs)
        return {
            "log_prob": part.log_probs.mean().item(),
            "ratio": ratio.mean().item(),
            "ratio_least": ratio.min().item(),
            "ratio_largest": ratio.max().item(),
            "ratio_clipped": ((ratio - 1).abs() > self.objective.clip_range).float().mean().item(),
            "kl_of_update": kl_divergence(part, asked, acted).mean().item(),
            "diffusion_of_output": renoised_loss(policy, part).mean().item(),
        }
