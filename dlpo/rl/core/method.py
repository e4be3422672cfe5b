"""The loop that every method is one part of: draw, reward, advantages, loss.

A method is one object. `collect` has the policy draw, a judge score, and advantages computed;
`parts` cuts an update's data into pieces that fit into memory, once for each pass over it; called
on a part, the method returns its loss. It is a module with the weights that learn inside, so that
data-parallel training sees every gradient. `tune` is the loop at its plainest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dlpo.errors import ConfigError
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.policy_gradient import group_advantages, importance_ratio, kl_divergence
from dlpo.rl.core.rollout import Replay, Rollout


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of what the policy has drawn."""

    share: float
    """weight of its loss; the shares of an update's own samples add up to 1"""
    drawn: Any
    """`Rollout` or `FlowDraws`"""
    advantages: Tensor
    """(B,) or (S, B): of each draw, or what the method has in its place; constant"""


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A batch of recordings, and what draws its noise."""

    windows: Any
    """as the policy's `diffusion_loss` takes them, such as `RecordedSamples`"""
    generator: torch.Generator


LossPart = Sample | RecordedPart


@dataclass(frozen=True, slots=True)
class UpdateBatch:
    """The data of one update."""

    update: int
    figures: dict[str, float]
    """for the log"""
    samples: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class TuningSetup:
    """What methods work with; each takes what it needs."""

    objective: Objective
    policy: Any
    """what learns: a `ChainPolicy` or a `FlowPolicy`"""
    reference: Any
    """the policy before tuning"""
    collector: Any
    """`collect(update)` has the policy draw: an object with a length and `parts` that fit into
    memory. `judge` of that gives (B,) rewards of each part, and figures for the log."""
    group: int = 2
    """G, the draws of each prompt"""
    passes: int = 1
    """optimizer steps on each update's data"""
    recordings: Any = None
    """what gives a `RecordedPart` for a number, by `part(number)`"""
    judge: Callable[[Tensor, Any], Tensor] | None = None
    """the reward with a gradient: outputs and what they were drawn as -> scores"""
    supervised: Callable[[RecordedPart], Tensor] | None = None
    """the losses that training ended with, if these aren't the diffusion loss alone"""
    learned: int | None = None
    """of the draws of each prompt, the best and the worst that are learned from; None: all"""
    joined: bool = False
    """whether an update's parts fit into memory together"""
    stage: Callable[[str], AbstractContextManager[Any]] = nullcontext
    """counts the seconds of a named block"""


class Method(nn.Module):
    """The base of all methods: one that learns from recordings alone, if there are any.

    Args:
        setup: see `TuningSetup`.
    """

    compares_seeds: ClassVar[bool] = False
    """whether the draws of a prompt are compared, so that two or more are needed"""
    scores_noise: ClassVar[bool] = False
    """whether it uses the density of a chain's noise, which one step or eta = 0 lacks"""
    supervised: ClassVar[bool] = False
    """whether its loss on recordings is the control's, which may have an adversary"""
    fixed: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """what it sets of its objective, whatever a run says"""

    def __init__(self, setup: TuningSetup) -> None:
        super().__init__()
        self.setup = setup
        self.objective = self.settled(setup.objective)
        self.policy = setup.policy
        self.has_density = isinstance(setup.policy, ChainPolicy)
        self.joined_terms: dict[str, Tensor] = {}
        """of the last loss, if parts are joined: for the log"""
        if not self.has_density:
            self.flow = setup.policy.flow  # its weights learn; a chain policy is itself a module
        if self.compares_seeds and setup.group < 2:
            raise ConfigError(
                f"group is {setup.group}; expected 2 or more, since {self.objective.method}"
                " compares draws of the same prompt"
            )

    @classmethod
    def settled(cls, objective: Objective) -> Objective:
        """An objective with what the method has `fixed`."""
        return replace(objective, **cls.fixed)

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        """Whether outputs are judged in every update, not only for the log."""
        return False

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        """Whether it learns from recordings."""
        return False

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        """Whether a second step on the same data would follow a wrong gradient.

        That is so where no ratio corrects for the policy having moved. `steps` are the chain's.
        """
        return False

    def collect(self, update: int, logged: bool) -> UpdateBatch:
        """The data of update `update`; 0 is the first.

        Args:
            logged: whether figures are needed; if not, data that only the log uses may be omitted.

        Raises:
            TrainingError: a judge failed.
        """
        collector = self.setup.collector
        figures = collector.judge(collector.collect(update))[1] if logged else {}
        return UpdateBatch(update, figures)

    def parts(self, batch: UpdateBatch, done: int) -> list[Sequence[LossPart]]:
        """What the optimizer step after `done` others learns from, by what fits into memory."""
        number = batch.update * self.setup.passes + done
        recordings = self.setup.recordings
        recorded = [] if recordings is None else [recordings.part(number)]
        found: list[LossPart] = [*batch.samples, *recorded]
        return [found] if self.setup.joined else [[part] for part in found]

    def forward(self, *parts: LossPart) -> Tensor:
        """(): the parts' share of the loss, with its gradient."""
        found: dict[str, Tensor] = {}
        for part in parts:
            if isinstance(part, Sample):
                for name, value in self.terms(part).items():
                    found[name] = found.get(name, 0) + value * part.share
            else:
                found["diffusion"] = self.recorded_loss(part)
        self.joined_terms = found if self.setup.joined else {}
        return torch.stack(list(found.values())).sum()

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        """The terms of the loss on own samples, () each, means over prompts."""
        raise NotImplementedError

    def recorded_loss(self, part: RecordedPart) -> Tensor:
        """(): the loss on recordings: beta DL, or what training ended with (`supervised`)."""
        if self.supervised and self.setup.supervised is not None:
            return self.objective.beta * self.setup.supervised(part)
        loss: Tensor = self.policy.diffusion_loss(part.windows, part.generator)
        return self.objective.beta * loss

    @torch.no_grad()
    def measure(self, batch: UpdateBatch) -> dict[str, float]:
        """Figures of what the update changed; costly, so called only for the log."""
        return {}


class RolloutMethod(Method):
    """A method that learns from what the policy drew and a judge scored."""

    compares_seeds = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return True

    def collect(self, update: int, logged: bool) -> UpdateBatch:
        collector = self.setup.collector
        drawn = collector.collect(update)
        figures: dict[str, float] = {}
        rewards: Sequence[Tensor] = [part.output.new_zeros(len(part)) for part in drawn.parts]
        if self.needs_rewards(self.objective) or logged:
            rewards, figures = collector.judge(drawn)
        with self.setup.stage("advantages"):
            samples = self.samples(drawn, rewards)
        return UpdateBatch(update, figures, samples)

    def samples(self, drawn: Any, rewards: Sequence[Tensor]) -> list[Sample]:
        """What was drawn, with its advantages.

        Args:
            rewards: (B,) of each part's outputs.
        """
        return [
            self.selected(Sample(len(part) / len(drawn), part, self.compute_advantages(part, r)), r)
            for part, r in zip(drawn.parts, rewards, strict=True)
        ]

    def selected(self, sample: Sample, rewards: Tensor) -> Sample:
        """The best and the worst draws of each prompt, if not all are learned from."""
        learned, drawn = self.setup.learned, sample.drawn
        if learned is None:
            return sample
        order = rewards.view(-1, drawn.group).argsort(1, descending=True)
        chosen = torch.cat([order[:, : learned // 2], order[:, -(learned // 2) :]], dim=1)
        kept = sample.advantages.view(-1, drawn.group).gather(1, chosen)
        return Sample(sample.share, drawn.chosen(chosen), kept.flatten())

    def compute_advantages(self, drawn: Any, rewards: Tensor) -> Tensor:
        """(B,) or (S, B): what each draw counts; by default the advantage of its reward.

        Args:
            rewards: (B,) of the outputs; 0 if the method needs none.
        """
        return self.advantage(rewards)

    def advantage(self, returns: Tensor) -> Tensor:
        """(..., B) -> (..., B): see `group_advantages`; or in units of `reward_scale`."""
        objective, group = self.objective, self.setup.group
        bound, scale = objective.advantage_bound, objective.reward_scale
        if scale is not None:
            grouped = returns.detach().view(*returns.shape[:-1], -1, group)
            centred = (grouped - grouped.mean(-1, keepdim=True)) / scale
            return centred.clamp(-bound, bound).view(returns.shape)
        return group_advantages(returns, group, bound)

    @torch.no_grad()
    def untuned_replay(self, rollout: Rollout) -> Replay:
        """The densities of a rollout under the policy before tuning."""
        before: Replay = self.setup.reference.replay(rollout)
        return before

    @torch.no_grad()
    def measure(self, batch: UpdateBatch) -> dict[str, float]:
        """Compare the updated policy with the one that acted, over one part."""
        rollout = batch.samples[0].drawn
        if not self.has_density or not rollout.scored:
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
