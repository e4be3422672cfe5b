"""The tuning methods: a table of what each minimizes and needs, and the plan of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from dlpo.checkpoint import Tuned
from dlpo.config.strict import check_ranges
from dlpo.errors import ConfigError
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.conditions import Policy
from dlpo.rl.diffusion_loss import (
    RecordedWindows,
    control_loss,
    diffusion_loss,
    renoised_loss,
    rwr_loss,
)
from dlpo.rl.direct import DifferentiableReward, direct_loss
from dlpo.rl.objectives import (
    BOUND,
    CLIP_RANGE,
    Advantage,
    ddpo_loss,
    dlpo_loss,
    dpok_loss,
    group_advantages,
    klinr_loss,
)
from dlpo.rl.preferences import BETA, dpo_loss, pairs_of
from dlpo.rl.rollout import Replay, Rollout, replay, scored_steps
from dlpo.training.adversary import AdversarialTrainer

Method = Literal["rwr", "ddpo", "dpok", "klinr", "onlydl", "dlpo", "control", "direct", "dpo"]
Guide = Literal["return", "recordings", "both"]
Explore = Literal["chain", "step", "weights"]


@dataclass(frozen=True, slots=True)
class Objective:
    """A method and its weights."""

    method: Method = "dlpo"
    explore: Explore = "chain"
    """What is perturbed to see the reward change: the noise of all the chain's steps; that of one
    step, in turn, the seeds of a sentence sharing the rest, with advantages that are not divided
    by their spread; or DLPO's weights, see `dlpo.rl.explore`."""
    alpha: float = 1.0
    """Weight of the reward in DLPO's return, and of the direct gradient."""
    beta: float = 1.0
    """Weight of the diffusion loss in DLPO's return, and of the loss on recordings."""
    guide: Guide = "return"
    """Where DLPO's diffusion loss enters: in the return, by its gradient on recordings, or both.
    The direct gradient, which has no return, and DLPO that explores weights follow the gradient of
    the control's loss instead."""
    unit_spread: bool = False
    """DLPO's advantage is alpha A(r) - beta A(DL) instead of A(alpha r - beta DL): reward and
    diffusion loss each at unit spread, so that alpha and beta compare like with like."""
    temperature: float = 1.0
    """Of RWR's weights exp(r / temperature), in units of the standardised reward."""
    kl_weight: float = 0.04
    """Of the divergence from the reference, in DPOK and KLinR. Reference: Flow-GRPO."""
    clip_range: float = CLIP_RANGE
    """How far an importance ratio may stray from 1."""
    advantage_bound: float = BOUND
    """Largest advantage, in standard deviations of a sentence's seeds."""
    last_steps: int = 1
    """Steps that the direct gradient backpropagates through."""
    preference_beta: float = BETA
    """Of Diffusion-DPO: inverse scale of a pair's margin."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}")
        if self.guide not in get_args(Guide):
            raise ConfigError(f"guide is {self.guide!r}; expected return, recordings or both")
        if self.explore not in get_args(Explore):
            raise ConfigError(f"explore is {self.explore!r}; expected chain, step or weights")
        check_ranges(
            self,
            **dict.fromkeys(("alpha", "beta", "kl_weight"), "0 or more"),
            **dict.fromkeys(
                ("clip_range", "advantage_bound", "preference_beta", "temperature"), "above 0"
            ),
            last_steps="1 or more",
        )
        if self.spec.guided and self.alpha == self.beta == 0:
            raise ConfigError(
                f"Objective: alpha and beta are both 0, so {self.method} learns nothing; raise one"
            )
        if self.explore == "weights" and self.method != "dlpo":
            raise ConfigError(f"{self.method} can't explore weights; expected method dlpo")
        if self.explore == "step" and not self.spec.scores_noise:
            raise ConfigError(f"{self.method} can't explore a step; it does not score noise")

    @property
    def spec(self) -> MethodSpec:
        """The method's row of the table."""
        return METHODS[self.method]

    @property
    def explores_noise(self) -> bool:
        """Whether it needs a chain whose steps draw noise."""
        return self.spec.scores_noise and self.explore != "weights"

    @property
    def needs_recordings(self) -> bool:
        """Whether it learns from the gradient on windows of recordings."""
        return self.method == "control" or (self.spec.guided and self.guide != "return")

    @property
    def returns_loss(self) -> bool:
        """Whether the return contains the diffusion loss."""
        return self.guide != "recordings" and self.beta > 0

    @property
    def supervised(self) -> bool:
        """Whether its loss on recordings is the control's, not the diffusion loss alone."""
        return self.method in ("control", "direct") or self.explore == "weights"


@dataclass(frozen=True, slots=True)
class MethodInput:
    """What a method's loss may use besides the policy."""

    objective: Objective
    rollout: Rollout
    """of B rows"""
    rewards: Tensor
    """(B,) of the rollout's outputs; 0 for a method that needs none"""
    reference: Policy
    """the policy before tuning"""
    judge: DifferentiableReward | None = None
    """for the direct method"""

    @property
    def advantage(self) -> Advantage:
        """Advantages among the seeds of a sentence."""
        objective = self.objective
        divided = objective.unit_spread or objective.explore != "step"
        bound, group = objective.advantage_bound, self.rollout.group
        return partial(group_advantages, group=group, bound=bound, divided=divided)


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """What a method learns from rollouts, and what that needs."""

    loss: Callable[[Policy, MethodInput], Tensor] | None
    """() with its gradient; a mean over sentences. None if rollouts are only logged"""
    needs_group: bool = True
    """whether the seeds of a sentence are compared, so that two or more are needed"""
    needs_rewards: bool = True
    """whether outputs are judged in every update, not only for the log"""
    guided: bool = False
    """whether `guide` can add a loss on recordings"""
    scores_noise: bool = True
    """whether it uses the density of the chain's noise, which one step or eta = 0 lacks"""


def _rwr(policy: Policy, given: MethodInput) -> Tensor:
    return rwr_loss(policy, given.rollout, given.rewards, given.objective.temperature)


def _ddpo(policy: Policy, given: MethodInput) -> Tensor:
    rollout, clip_range = given.rollout, given.objective.clip_range
    now = replay(policy, rollout)
    return ddpo_loss(rollout, now, given.rewards, given.advantage, clip_range)


def _with_reference(loss: Callable[..., Tensor]) -> Callable[[Policy, MethodInput], Tensor]:
    def of(policy: Policy, given: MethodInput) -> Tensor:
        rollout, weight = given.rollout, given.objective.kl_weight
        with torch.no_grad():
            before: Replay = replay(given.reference, rollout)
        now = replay(policy, rollout)
        return loss(rollout, now, before, given.rewards, given.advantage, weight)

    return of


def _dlpo(policy: Policy, given: MethodInput) -> Tensor:
    objective, rollout, rewards = given.objective, given.rollout, given.rewards
    advantage = given.advantage
    guide = torch.zeros_like(rollout.log_probs)
    if objective.guide != "recordings":
        guide = renoised_loss(policy, rollout)
    if objective.unit_spread:
        rewards, guide, advantage = advantage(rewards), advantage(guide), lambda returns: returns
    alpha, beta, clip_range = objective.alpha, objective.beta, objective.clip_range
    now = replay(policy, rollout)
    return dlpo_loss(rollout, now, guide, rewards, advantage, alpha, beta, clip_range)


def _onlydl(policy: Policy, given: MethodInput) -> Tensor:
    rollout, guide = given.rollout, renoised_loss(policy, given.rollout)
    now, rewards = replay(policy, rollout), guide.new_zeros(len(rollout))
    clip_range = given.objective.clip_range
    return dlpo_loss(rollout, now, guide, rewards, given.advantage, 0.0, 1.0, clip_range)


def _direct(policy: Policy, given: MethodInput) -> Tensor:
    objective = given.objective
    assert given.judge is not None
    loss = direct_loss(policy, given.rollout, given.judge, objective.last_steps)
    return objective.alpha * loss


def _dpo(policy: Policy, given: MethodInput) -> Tensor:
    rollout, beta = given.rollout, given.objective.preference_beta
    pairs = pairs_of(rollout, given.rewards)
    return dpo_loss(policy, given.reference, pairs, rollout.schedule, beta)


METHODS: dict[str, MethodSpec] = {
    "rwr": MethodSpec(_rwr, scores_noise=False),
    "ddpo": MethodSpec(_ddpo),
    "dpok": MethodSpec(_with_reference(dpok_loss)),
    "klinr": MethodSpec(_with_reference(klinr_loss)),
    "onlydl": MethodSpec(_onlydl, needs_rewards=False),
    "dlpo": MethodSpec(_dlpo, guided=True),
    "control": MethodSpec(None, needs_group=False, needs_rewards=False, scores_noise=False),
    "direct": MethodSpec(
        _direct, needs_group=False, needs_rewards=False, guided=True, scores_noise=False
    ),
    "dpo": MethodSpec(_dpo, scores_noise=False),
}


def recorded_loss(
    objective: Objective,
    policy: Policy,
    recorded: RecordedWindows,
    schedule: NoiseSchedule,
    generator: torch.Generator,
    adversary: AdversarialTrainer | None = None,
) -> Tensor:
    """The loss on recordings: of the control, or beta times that of a guided method.

    Args:
        generator: draws levels and noise.
        adversary: of the control's loss.
    """
    if not objective.supervised:
        return objective.beta * diffusion_loss(policy, recorded, schedule, generator)
    weight = 1.0 if objective.method == "control" else objective.beta
    return weight * control_loss(policy, recorded, schedule, generator, adversary)


@dataclass(frozen=True, slots=True)
class Plan:
    """Method, reward and chain: what identifies a run, and can't change when it is resumed.

    Raises:
        ConfigError: the chain has no step to learn from, or there is no reward.
    """

    objective: Objective = field(default_factory=Objective)
    rewards: dict[str, float] = field(default_factory=lambda: {"distillmos": 1.0})
    """name -> weight, see `dlpo.rl.reward_models`"""
    schedule: str = "cosine:1.25"
    """name of the noise schedule"""
    steps: int = 3
    """N, as it will be served"""
    eta: float = 0.7
    """above 0 for a method that explores the chain's noise"""
    pairs_sha256: str | None = None
    """of the preference pairs that dpo learns from; without them it learns from the best and the
    worst of its own rollouts by reward"""

    def __post_init__(self) -> None:
        if not self.rewards:
            raise ConfigError("Plan.rewards is empty; expected at least one, such as distillmos")
        objective = self.objective
        if objective.explores_noise and not scored_steps(self.chain):
            raise ConfigError(
                f"{self.steps} steps of {self.schedule} with eta {self.eta:g} add no noise for"
                f" {objective.method} to explore; choose at least 2 steps and eta > 0"
            )
        if self.pairs_sha256 is not None and self.objective.method != "dpo":
            raise ConfigError(
                f"{self.objective.method} doesn't learn from preference pairs; choose method dpo"
            )

    @property
    def chain(self) -> NoiseSchedule:
        """The schedule that is tuned."""
        return named_schedule(self.schedule, self.steps, self.eta)

    def tuned(self, updates: int, base_sha256: str) -> Tuned:
        """The provenance of a checkpoint of this run."""
        reward = ",".join(f"{name}={weight:g}" for name, weight in self.rewards.items())
        if self.pairs_sha256 is not None:
            reward = f"preference pairs {self.pairs_sha256[:12]}"
        return Tuned(
            self.objective.method,
            reward,
            self.schedule,
            self.steps,
            self.eta,
            updates,
            base_sha256,
        )
