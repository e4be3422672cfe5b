"""What a tuning run asks of a method: an update's data, and the loss of each part of it.

A method is one object. `collect` gathers what an update learns from, `parts` cuts that into pieces
that fit into memory, once for each pass over it, and the method, called on a part, returns its
loss. It is a module with the policy inside, so that data-parallel training sees every gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from dlpo.config.training import TuningConfig
from dlpo.errors import ConfigError
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.collector import RolloutBatch, RolloutCollector
from dlpo.rl.differentiable import DifferentiableReward
from dlpo.rl.objective import Objective
from dlpo.rl.policy_gradient import group_advantages, importance_ratio, kl_divergence
from dlpo.rl.recordings import RecordedPart, Recordings
from dlpo.rl.rollout import Replay, Rollout


@dataclass(frozen=True, slots=True)
class TuningSetup:
    """What methods work with; each takes what it needs."""

    objective: Objective
    settings: TuningConfig
    policy: ChainPolicy
    """what learns"""
    reference: ChainPolicy
    """the policy before tuning"""
    collector: RolloutCollector
    recordings: Recordings | None = None
    judge: DifferentiableReward | None = None
    """the reward with a gradient"""


class LossPart(Protocol):
    """A part of an update's data that fits into memory."""

    @property
    def share(self) -> float:
        """Weight of its loss; the shares of an update's own samples add up to 1."""
        ...


P = TypeVar("P", bound=LossPart)


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the chains that the policy has drawn."""

    share: float
    rollout: Rollout
    weights: Tensor
    """(B,) or (S, B): each chain's advantage, or what the method has in its place; constant"""


@dataclass(frozen=True, slots=True)
class UpdateBatch(Generic[P]):
    """The data of one update."""

    update: int
    figures: dict[str, float]
    """for the log"""
    samples: Sequence[P] = ()


class Method(nn.Module, Generic[P]):
    """The base of all methods: one that learns from recordings alone, if there are any.

    Args:
        setup: see `TuningSetup`.
    """

    compares_seeds: ClassVar[bool] = False
    """whether the seeds of a sentence are compared, so that two or more are needed"""
    scores_noise: ClassVar[bool] = False
    """whether it uses the density of the chain's noise, which one step or eta = 0 lacks"""

    def __init__(self, setup: TuningSetup) -> None:
        super().__init__()
        self.setup = setup
        self.objective = setup.objective
        self.policy = setup.policy
        group = setup.settings.group
        if self.compares_seeds and group < 2:
            raise ConfigError(
                f"group is {group}; expected 2 or more, since {self.objective.method} compares"
                " seeds of the same sentence"
            )

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        """Whether outputs are judged in every update, not only for the log."""
        return False

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        """Whether it learns from recordings."""
        return False

    @classmethod
    def supervised(cls, objective: Objective) -> bool:
        """Whether its loss on recordings is the control's, which may have an adversary."""
        return False

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        """Whether a second step on the same data would follow a wrong gradient.

        That is so where no ratio corrects for the policy having moved. `steps` are the chain's.
        """
        return False

    def collect(self, update: int, logged: bool) -> UpdateBatch[P]:
        """The data of update `update`; 0 is the first.

        Args:
            logged: whether figures are needed; if not, data that only the log uses may be omitted.

        Raises:
            TrainingError: a judge failed.
        """
        collector = self.setup.collector
        figures = collector.judge(collector.collect(update))[1] if logged else {}
        return UpdateBatch(update, figures)

    def parts(self, batch: UpdateBatch[P], done: int) -> list[LossPart]:
        """What the optimizer step after `done` others on this batch learns from."""
        number = batch.update * self.setup.settings.passes + done
        recordings = self.setup.recordings
        return [*batch.samples, *([] if recordings is None else [recordings.part(number)])]

    def forward(self, part: LossPart) -> Tensor:
        """(): the part's share of the loss, with its gradient."""
        if isinstance(part, RecordedPart):
            return self.recorded_loss(part)
        return part.share * self.loss(cast(P, part))

    def loss(self, sample: P) -> Tensor:
        """(): the loss on own samples, a mean over sentences."""
        raise NotImplementedError

    def recorded_loss(self, part: RecordedPart) -> Tensor:
        """(): the loss on recordings, beta DL."""
        return self.objective.beta * self.policy.diffusion_loss(part.windows, part.generator)

    @torch.no_grad()
    def measure(self, batch: UpdateBatch[P]) -> dict[str, float]:
        """Figures of what the update changed; costly, so called only for the log."""
        return {}


class RolloutMethod(Method[Sample]):
    """A method that learns from chains that the policy drew and a judge scored."""

    compares_seeds = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return True

    def collect(self, update: int, logged: bool) -> UpdateBatch[Sample]:
        collector = self.setup.collector
        drawn = collector.collect(update)
        figures: dict[str, float] = {}
        rewards: Sequence[Tensor] = [part.output.new_zeros(len(part)) for part in drawn.parts]
        if self.needs_rewards(self.objective) or logged:
            rewards, figures = collector.judge(drawn)
        with collector.timer.stage("weighing"):
            samples = self.samples(drawn, rewards)
        return UpdateBatch(update, figures, samples)

    def samples(self, drawn: RolloutBatch, rewards: Sequence[Tensor]) -> list[Sample]:
        """The parts of a rollout, weighed.

        Args:
            rewards: (B,) of each part's outputs.
        """
        return [
            Sample(len(part) / len(drawn), part, self.weigh(part, r.to(part.states)))
            for part, r in zip(drawn.parts, rewards, strict=True)
        ]

    def weigh(self, rollout: Rollout, rewards: Tensor) -> Tensor:
        """(B,) or (S, B): what each chain counts; by default the advantage of its reward.

        Args:
            rewards: (B,) of the outputs; 0 if the method needs none.
        """
        return self.advantage(rewards)

    def advantage(self, returns: Tensor) -> Tensor:
        """(..., B) -> (..., B): see `group_advantages`."""
        objective = self.objective
        divided = objective.at_unit_spread or objective.explore != "step"
        group = self.setup.settings.group
        return group_advantages(returns, group, objective.advantage_bound, divided)

    @torch.no_grad()
    def untuned_replay(self, rollout: Rollout) -> Replay:
        """The densities of a rollout under the policy before tuning."""
        return self.setup.reference.replay(rollout)

    @torch.no_grad()
    def measure(self, batch: UpdateBatch[Sample]) -> dict[str, float]:
        """Compare the updated policy with the one that acted, over one part."""
        rollout = batch.samples[0].rollout
        if not rollout.scored:
            return {}
        now = self.policy.replay(rollout)
        ratio = importance_ratio(rollout, now)
        clipped = (ratio - 1).abs() > self.objective.clip_range
        return {
            "log_prob": rollout.log_probs.mean().item(),
            "ratio": ratio.mean().item(),
            "ratio_least": ratio.min().item(),
            "ratio_largest": ratio.max().item(),
            "ratio_clipped": clipped.float().mean().item(),
            "kl_of_update": kl_divergence(rollout, now, rollout.acted).mean().item(),
            "diffusion_of_output": self.policy.own_loss(rollout, 2).mean().item(),
        }
