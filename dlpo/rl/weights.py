"""DLPO that explores the weights instead of the chain's noise.

    J = E_z[R(theta * s z)],   z ~ N(0, I),   R = alpha r - beta DL
    grad J = E_z[(R(theta * s z) - R(theta * -s z)) z] / (2 s)

    symbol     here             meaning
    theta * v  WeightSpace      the weights moved by coordinates v, relative to their own size
    z          Perturbation     of the coordinates' shape; z_m of pair m
    s          explore_std      standard deviation of the exploration
    R                           return of one perturbed voice. DL is of recordings: the diffusion
                                loss of an explored denoiser, `prosody_loss` of an explored prosody
    J                           the objective; its gradient is in v, at v = 0

The two voices of a pair, and all pairs of a sentence, share the chain's noise and the windows,
levels and noise of DL, so that a difference comes from the weights alone. R covers the whole served
chain, including its noiseless last step, and no judge needs a gradient.

Where DL guides by its own gradient instead (`guide` is recordings or both), an update takes a step
down the control's loss too: what has a gradient is learned from it, the rest by exploring.

It needs: rewards of an even number of perturbed voices a sentence, recordings unless beta = 0.

References: Sehnke et al. 2010 (PGPE) for the antithetic estimate; Salimans et al. 2017
(arXiv 1703.03864); Sarkar et al. 2025 (EGGROLL, arXiv 2511.16652) for rank-1 exploration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlpo.errors import ConfigError, TrainingError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.collector import RolloutBatch, with_texts
from dlpo.rl.conditions import conditions_of
from dlpo.rl.control import control_loss
from dlpo.rl.diffusion_loss import prosody_loss
from dlpo.rl.method import LossPart, Method, TuningSetup, UpdateBatch
from dlpo.rl.noise import seed_keys
from dlpo.rl.objective import Objective
from dlpo.rl.prompts import Prompt
from dlpo.rl.recordings import RecordedPart, Recordings
from dlpo.rl.rollout import Rollout
from dlpo.rl.weight_space import Perturbation, WeightSpace
from dlpo.training.batches import Windows


@dataclass(frozen=True, slots=True)
class RecordedReturn:
    """DL of a perturbed voice: the same windows, levels and noise for all voices of an update.

    Each process takes the windows of all, since the voices that it compares are its own.
    """

    recordings: Recordings
    number: int
    """of the batch of windows"""
    explores_denoiser: bool
    windows: Windows | None
    """of explored prosody"""

    @classmethod
    def of_batch(cls, recordings: Recordings, number: int, blocks: Sequence[str]) -> RecordedReturn:
        """DL on batch `number`, of the blocks that are explored."""
        settings, windows = recordings.settings, None
        if "prosody" in blocks:
            device = next(recordings.policy.model.parameters()).device
            size = settings.window_batch, settings.window
            windows = recordings.batches.windows(number, *size).to(device)
        return cls(recordings, number, blocks[-1] != "prosody", windows)

    @torch.no_grad()
    def measure(self, policy: ChainPolicy) -> float:
        """DL of the current weights."""
        loss, model = 0.0, policy.model
        if self.windows is not None and isinstance(model, SpectralWaveGrad2):
            loss += float(prosody_loss(model, self.windows))
        if self.explores_denoiser:
            part = self.recordings.draw(self.number, (0, 1))
            loss += float(policy.diffusion_loss(part.windows, part.generator))
        return loss


class WeightExploration(Method[LossPart]):
    """Estimates the gradient of the return of perturbed weights, and moves along it.

    An update has `sentences` prompts and `group` perturbed voices for each, half of them mirrored:
    as many scores as an update that explores the chain.

    Raises:
        ConfigError: an odd group, which can't be mirrored.
    """

    def __init__(self, setup: TuningSetup) -> None:
        super().__init__(setup)
        group = setup.settings.group
        if group % 2:
            raise ConfigError(
                f"group is {group}; expected an even number, since exploring weights"
                " mirrors each perturbation"
            )
        assert setup.space is not None
        self.space: WeightSpace = setup.space

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return True

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.learns_recordings or objective.loss_in_return

    @classmethod
    def supervised(cls, objective: Objective) -> bool:
        return objective.learns_recordings

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return True

    def collect(self, update: int, logged: bool) -> UpdateBatch[LossPart]:
        """Score perturbed voices and estimate the gradient, which `after_step` follows."""
        setup = self.setup
        collector, settings = setup.collector, setup.settings
        blocks = min(len(self.space.blocks), 1 + update // settings.grow_every)
        prompts = collector.draw(update)
        with collector.timer.stage("rollout"):
            batch, losses = self._explore(prompts, update, blocks)
        collector.chains_run += len(batch) * collector.processes.count
        of_parts, figures = collector.judge(batch)
        rewards = torch.cat(of_parts).view(-1, 2)
        # Every process estimates from all pairs, so that all take the same step.
        gather, per_prompt = collector.processes.gather, settings.group // 2
        numbers = [n for own in gather([prompt.number for prompt in prompts]) for n in own]
        pairs = [(number, pair) for number in numbers for pair in range(per_prompt)]
        of_reward = torch.cat(gather(rewards[:, 0] - rewards[:, 1]))
        of_loss = torch.cat(gather(losses[:, 0] - losses[:, 1]))
        slopes = return_differences(of_reward, of_loss, self.objective)
        slopes = slopes / (2 * settings.explore_std)
        perturbations = [self._perturbation(update, *pair, blocks) for pair in pairs]
        self.space.gradient = self.space.estimate(perturbations, slopes)
        self.space.noise = float((slopes.square().mean() / len(slopes)).sqrt())
        figures |= {
            "explored_blocks": float(blocks),
            "reward_difference": float(of_reward.square().mean().sqrt()),
            "guide_loss_difference": float(of_loss.square().mean().sqrt()),
        }
        if self.objective.loss_in_return:
            figures["guide_loss"] = float(losses.mean())
        return UpdateBatch(update, figures)

    def parts(self, batch: UpdateBatch[LossPart], done: int) -> list[LossPart]:
        """Recordings, where these guide by their own gradient."""
        return super().parts(batch, done) if self.objective.learns_recordings else []

    def recorded_loss(self, part: RecordedPart) -> Tensor:
        assert self.setup.recordings is not None
        guide = control_loss(self.policy, part, self.setup.recordings.adversary)
        return self.objective.beta * guide

    def after_step(self, update: int) -> None:
        """Move the weights along the gradient."""
        self.space.learn(self.setup.settings.exploration_rate(update))

    def _perturbation(self, update: int, number: int, pair: int, blocks: int) -> Perturbation:
        return self.space.draw((self.setup.settings.seed, update, number, pair), blocks)

    @torch.no_grad()
    def _explore(
        self, prompts: Sequence[Prompt], update: int, blocks: int
    ) -> tuple[RolloutBatch, Tensor]:
        """Rollouts of the perturbed voices, alternating plus and minus, and their (pairs, 2) DL."""
        settings = self.setup.settings
        policy = self.policy
        returned = None
        if self.setup.recordings is not None and self.objective.loss_in_return:
            explored = self.space.blocks[:blocks]
            returned = RecordedReturn.of_batch(self.setup.recordings, update, explored)
        parts: list[Rollout] = []
        losses: list[float] = []
        for prompt in prompts:
            keys = seed_keys(settings.seed, update, [prompt.number], 1)
            for pair in range(settings.group // 2):
                z = self._perturbation(update, prompt.number, pair, blocks)
                direction = self.space.coordinates(z)
                for sign in (1, -1):
                    with self.space.moved(direction, sign * settings.explore_std):
                        conditions = conditions_of(policy.model, [prompt], policy.reach)
                        rollout = policy.roll_out(conditions, keys, 1)
                        parts.append(with_texts(rollout, [prompt]))
                        losses.append(0.0 if returned is None else returned.measure(policy))
        of_pairs = torch.tensor(losses, dtype=torch.float64).view(-1, 2)
        return RolloutBatch(tuple(parts)), of_pairs


def return_differences(of_reward: Tensor, of_loss: Tensor, objective: Objective) -> Tensor:
    """(M,) alpha (r+ - r-) - beta (DL+ - DL-) of M pairs.

    At unit spread both differences are first scaled to an RMS of 1 over the update's pairs.

    Raises:
        TrainingError: a difference is not finite.
    """
    if not bool(torch.isfinite(of_reward).all() and torch.isfinite(of_loss).all()):
        raise TrainingError(
            "the reward or diffusion loss of a perturbed voice is NaN or infinite; lower"
            " explore_std"
        )
    if objective.at_unit_spread:
        of_reward, of_loss = (
            x / x.square().mean().sqrt().clamp(min=torch.finfo(x.dtype).tiny)
            for x in (of_reward, of_loss)
        )
    return objective.alpha * of_reward - objective.beta * of_loss
