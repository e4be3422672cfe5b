"""Each method of the comparison as one call: from a rollout and its rewards to a loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from dlpo.errors import ConfigError, InputError
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.advantages import BOUND, Advantage, group_advantages
from dlpo.rl.conditions import Policy
from dlpo.rl.direct import DifferentiableReward, direct_loss
from dlpo.rl.guide import Recorded, control_loss, diffusion_loss, renoised_loss
from dlpo.rl.objectives import (
    CLIP_RANGE,
    ddpo_loss,
    dlpo_loss,
    dpok_loss,
    klinr_loss,
    onlydl_loss,
    rwr_loss,
)
from dlpo.rl.preferences import BETA, dpo_loss, pairs_of
from dlpo.rl.rollout import Replay, Rollout, replay

Method = Literal["rwr", "ddpo", "dpok", "klinr", "onlydl", "dlpo", "control", "direct", "dpo"]
METHODS: tuple[Method, ...] = get_args(Method)
GUIDED: tuple[Method, ...] = ("dlpo", "direct")  # may learn from recordings as well
Guide = Literal["return", "recordings", "both"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Objective:
    """A method and its weights."""

    method: Method = "dlpo"
    alpha: float = 1.0
    """Weight of the reward in DLPO's return, and of the direct gradient."""
    beta: float = 1.0
    """Weight of the diffusion loss in DLPO's return, and of whatever is learnt from recordings."""
    guide: Guide = "return"
    """Where DLPO's diffusion loss enters: in the return, by its gradient on recordings, or both.
    The direct gradient has no return: recordings and both add the control's loss to it."""
    unit_spread: bool = False
    """DLPO's advantage is alpha A(r) - beta A(DL) instead of A(alpha r - beta DL): reward and
    diffusion loss each at unit spread among a sentence's seeds. As they come, the diffusion loss of
    a trained voice differs a hundredth as much between seeds as a judge's score, or less: beta = 1
    then guides next to nothing."""
    kl_weight: float = 0.04
    """Of the divergence from the reference, in DPOK and KLinR. Reference: Flow-GRPO."""
    clip_range: float = CLIP_RANGE
    """How far an importance ratio may leave 1."""
    advantage_bound: float = BOUND
    """Largest advantage, in standard deviations of a sentence's seeds."""
    last_steps: int = 1
    """Steps that the direct gradient goes back through."""
    renoised: int = 0
    """Re-noised outputs of each chain that the direct gradient also takes the last step of."""
    preference_beta: float = BETA
    """Of Diffusion-DPO: how soon a preferred rendering's lead over the other is enough."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}")
        if self.guide not in get_args(Guide):
            raise ConfigError(f"guide is {self.guide!r}; expected return, recordings or both")
        for name in ("alpha", "beta", "kl_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"Objective.{name} is {getattr(self, name)}; expected 0 or more")
        for name in ("clip_range", "advantage_bound", "preference_beta"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"Objective.{name} is {getattr(self, name)}; expected above 0")
        if self.last_steps < 1 or self.renoised < 0:
            raise ConfigError(
                f"Objective: last_steps is {self.last_steps} and renoised {self.renoised}; expected"
                " 1 or more, and 0 or more"
            )
        if self.method in GUIDED and self.alpha == self.beta == 0:
            raise ConfigError(
                f"Objective: alpha and beta are both 0; {self.method} then learns nothing"
            )

    @property
    def needs_reference(self) -> bool:
        """Whether the frozen policy must be asked as well."""
        return self.method in ("dpok", "klinr", "dpo")

    @property
    def needs_recordings(self) -> bool:
        """Whether windows of recordings are learnt from."""
        return self.method == "control" or (self.method in GUIDED and self.guide != "return")

    @property
    def needs_rollout(self) -> bool:
        """Whether the policy must act to take a step."""
        return self.method != "control"

    @property
    def needs_group(self) -> bool:
        """Whether the seeds of a sentence are compared, so that there must be at least two."""
        return self.method not in ("control", "direct")

    @property
    def needs_rewards(self) -> bool:
        """Whether the outputs must be judged to take a step (the log wants it anyhow)."""
        return self.method not in ("onlydl", "control", "direct")


def loss_of(
    objective: Objective,
    policy: Policy,
    rollout: Rollout,
    rewards: Tensor | None = None,
    *,
    reference: Policy | None = None,
    recorded: Recorded | None = None,
    reward: DifferentiableReward | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The loss of one update; its gradient reaches the policy.

    A rollout too large for memory may be given part by part (`Rollout.rows`, with the rewards of
    those rows): the mean of the parts' losses, weighted by their rows, is the loss of the whole.

    Args:
        rewards: (B,) of the rollout's outputs.
        reference: for DPOK, KLinR and Diffusion-DPO, the policy before tuning.
        recorded: for the control, and where DLPO is guided by recordings.
        reward: for the direct gradient.
        generator: draws levels and noise for `recorded`.

    Raises:
        InputError: something that the method needs is missing.
        TrainingError: a reward is not finite.
    """
    total = rollout.log_probs.new_zeros(())
    if objective.needs_rollout:
        total = total + rollout_loss(
            objective, policy, rollout, rewards, reference=reference, reward=reward
        )
    if objective.needs_recordings:
        windows = _needed(recorded, "recorded", objective.method)
        drawn = _needed(generator, "generator", objective.method)
        total = total + recorded_loss(objective, policy, windows, rollout.schedule, drawn)
    return total


def rollout_loss(
    objective: Objective,
    policy: Policy,
    rollout: Rollout,
    rewards: Tensor | None = None,
    *,
    reference: Policy | None = None,
    reward: DifferentiableReward | None = None,
) -> Tensor:
    """The part of `loss_of` that a rollout teaches; not for the control."""
    method = objective.method
    if method == "direct":
        judge = _needed(reward, "reward", method)
        steps, renoised = objective.last_steps, objective.renoised
        return objective.alpha * direct_loss(policy, rollout, judge, steps, renoised)
    if method == "dpo":
        before = _needed(reference, "reference", method)
        pairs = pairs_of(rollout, _needed(rewards, "rewards", method))
        return dpo_loss(policy, before, pairs, rollout.schedule, objective.preference_beta)
    advantage: Advantage = partial(
        group_advantages, group=rollout.group, bound=objective.advantage_bound
    )
    asked = replay(policy, rollout)
    clip = objective.clip_range
    if method == "onlydl":
        return onlydl_loss(rollout, asked, renoised_loss(policy, rollout), advantage, clip)
    given = _needed(rewards, "rewards", method)
    if given.shape != (len(rollout),):
        raise InputError(
            f"rewards have shape {tuple(given.shape)}; expected ({len(rollout)},), one a chain"
        )
    given = given.to(rollout.log_probs)
    if method == "rwr":
        return rwr_loss(rollout, asked, given, advantage)
    if method == "ddpo":
        return ddpo_loss(rollout, asked, given, advantage, clip)
    if method == "dlpo":
        guide = torch.zeros_like(rollout.log_probs)
        if objective.guide != "recordings":
            guide = renoised_loss(policy, rollout)
        if objective.unit_spread:
            given, guide, advantage = advantage(given), advantage(guide), _as_they_are
        alpha, beta = objective.alpha, objective.beta
        return dlpo_loss(rollout, asked, guide, given, advantage, alpha, beta, clip)
    frozen = _of_reference(_needed(reference, "reference", method), rollout)
    loss = dpok_loss if method == "dpok" else klinr_loss
    return loss(rollout, asked, frozen, given, advantage, objective.kl_weight)


def recorded_loss(
    objective: Objective,
    policy: Policy,
    recorded: Recorded,
    schedule: NoiseSchedule,
    generator: torch.Generator,
) -> Tensor:
    """The part of `loss_of` that recordings teach: the control's loss, or DLPO's DL_real."""
    if objective.method == "control":
        return control_loss(policy, recorded, schedule, generator)
    loss = diffusion_loss if objective.method == "dlpo" else control_loss
    return objective.beta * loss(policy, recorded, schedule, generator)


@torch.no_grad()
def _of_reference(reference: Policy, rollout: Rollout) -> Replay:
    return replay(reference, rollout)


def _as_they_are(returns: Tensor) -> Tensor:
    return returns


def _needed(given: T | None, name: str, method: str) -> T:
    if given is None:
        raise InputError(f"{method} needs {name}; got none")
    return given
