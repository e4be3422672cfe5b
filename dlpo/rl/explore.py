"""Policy gradient over weights: DLPO that explores the weights instead of the chain's noise.

    v      coordinates of the weights, 0 before tuning; theta(v) the weights
    z      N(0, I), of the coordinates' shape; z_m of pair m
    s      standard deviation of the exploration
    R      return alpha r - beta DL of one perturbed voice, DL on recordings
    J(v)   E_z[R(theta(v + s z))], the objective

    grad J(v) = E_z[(R(theta(v + s z)) - R(theta(v - s z))) z] / (2 s)

The two voices of a pair, and all pairs of a sentence, share the chain's noise and the windows,
levels and noise of DL, so that a difference comes from the weights alone. R covers the whole served
chain, including its noiseless last step, and no judge needs a gradient.

Coordinates come in blocks, from few to many, which a run adds one by one:

    tensors    one log-gain for each tensor of the denoiser
    channels   one log-gain for each output channel of each of its matrices
    rank1      a matrix of changes for each of its matrices W, in units of the RMS of W, explored
               along a b^T with a, b ~ N(0, I): uncorrelated entries of unit variance from few draws

References: Sehnke et al. 2010 (PGPE) for the antithetic estimate; Salimans et al. 2017
(arXiv 1703.03864); Sarkar et al. 2025 (EGGROLL, arXiv 2511.16652) for rank-1 exploration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.config.training import Subspace
from dlpo.errors import ConfigError, TrainingError
from dlpo.rl.batch_sources import LossTerm, RecordingSource, UpdateBatch
from dlpo.rl.collector import RolloutBatch, RolloutCollector, of_prompts
from dlpo.rl.conditions import Conditions, Policy, conditions_of
from dlpo.rl.diffusion_loss import diffusion_loss
from dlpo.rl.methods import Objective
from dlpo.rl.prompts import Prompt
from dlpo.rl.rollout import Key, Rollout, roll_out, seed_keys

BLOCKS: tuple[Subspace, ...] = get_args(Subspace)
EXPLORATION = 6  # last element of perturbation keys


@dataclass(frozen=True, slots=True)
class Perturbation:
    """z: one draw for the active blocks."""

    tensors: Tensor
    """(J,)"""
    channels: Tensor | None
    """(C,), of all matrices, concatenated"""
    rank1: tuple[tuple[Tensor, Tensor], ...] | None
    """(a, b) for each matrix, (rows,) and (columns,)"""


class WeightSpace(nn.Module):
    """The coordinates v of some weights, as learnable parameters.

    Args:
        weights: tensors of the policy, changed by `write`; v = 0 is their current values.
        subspace: the largest block.
    """

    def __init__(self, weights: Sequence[nn.Parameter], subspace: Subspace = "tensors") -> None:
        super().__init__()
        self.weights = list(weights)
        self.origins = [weight.detach().clone() for weight in weights]
        blocks = BLOCKS[: BLOCKS.index(subspace) + 1]
        self.matrices = [j for j, weight in enumerate(weights) if weight.ndim > 1]
        self.rows = [len(self.origins[j]) for j in self.matrices]
        self.tensors = nn.Parameter(torch.zeros(len(self.weights)))
        self.channels = nn.Parameter(torch.zeros(sum(self.rows) if "channels" in blocks else 0))
        self.rank1 = nn.ParameterList(
            torch.zeros_like(self.origins[j]) for j in self.matrices if "rank1" in blocks
        )
        self.blocks = blocks

    def draw(self, key: Key, blocks: int) -> Perturbation:
        """z of the first `blocks` blocks, drawn from a key alone; the others are not explored."""
        random = np.random.default_rng((*key, EXPLORATION))

        def normal(size: int) -> Tensor:
            return torch.from_numpy(random.standard_normal(size, dtype=np.float32))

        tensors = normal(len(self.weights))
        channels = normal(sum(self.rows)) if blocks > 1 else None
        rank1 = None
        if blocks > 2:
            shapes = [(rows, self.origins[j][0].numel())
                      for j, rows in zip(self.matrices, self.rows, strict=True)]  # fmt: skip
            rank1 = tuple((normal(rows), normal(columns)) for rows, columns in shapes)
        return Perturbation(tensors, channels, rank1)

    @torch.no_grad()
    def write(self, z: Perturbation | None = None, scale: float = 0.0) -> None:
        """Set the weights to theta(v + scale z)."""
        device = self.tensors.device
        tensors = self.tensors.detach()
        if z is not None:
            tensors = tensors + scale * z.tensors.to(device)
        gains = list(tensors.exp().unbind())
        values = [
            gain * origin.to(device) for gain, origin in zip(gains, self.origins, strict=True)
        ]
        channels: Sequence[Tensor] = ()
        if len(self.channels):
            own = self.channels.detach()
            if z is not None and z.channels is not None:
                own = own + scale * z.channels.to(device)
            channels = torch.split(own.exp(), self.rows)
        for i, j in enumerate(self.matrices):
            if channels:
                values[j] = values[j] * channels[i].view(-1, *[1] * (values[j].ndim - 1))
            if len(self.rank1):
                change = self.rank1[i].detach()
                if z is not None and z.rank1 is not None:
                    a, b = (x.to(device) for x in z.rank1[i])
                    change = change + scale * torch.outer(a, b).view_as(change)
                values[j] = values[j] + self.origins[j].to(device).square().mean().sqrt() * change
        for weight, value in zip(self.weights, values, strict=True):
            weight.copy_(value)

    def estimate(self, perturbations: Sequence[Perturbation], slopes: Tensor) -> list[Tensor]:
        """The gradient of J for each parameter, in the order of `parameters()`.

            g = mean_m slope_m z_m,   slope_m = (R+_m - R-_m) / (2 s)

        Args:
            perturbations: z_m of M pairs, of the same blocks.
            slopes: (M,).
        """
        count = len(perturbations)
        slopes = slopes.to(self.tensors)
        found = [torch.stack([z.tensors for z in perturbations]).to(slopes).T @ slopes / count]
        drawn = [z.channels for z in perturbations if z.channels is not None]
        found.append(
            torch.stack(drawn).to(slopes).T @ slopes / count
            if drawn
            else torch.zeros_like(self.channels)
        )
        factors = [z.rank1 for z in perturbations if z.rank1 is not None]
        for i, change in enumerate(self.rank1):
            if not factors:
                found.append(torch.zeros_like(change))
                continue
            a, b = (torch.stack([one[i][side] for one in factors]).to(slopes) for side in (0, 1))
            found.append(((a.T * slopes) @ b / count).view_as(change))
        return found

    def ascent(self, gradient: Sequence[Tensor]) -> Tensor:
        """() loss whose descent moves each explored block along the gradient by an RMS of 1.

        Blocks differ in size by orders of magnitude, and so does the noise of their estimates: each
        is normalized separately. A block whose gradient is 0 stays put.
        """
        sizes = [1, 1, len(self.rank1)]
        total = self.tensors.new_zeros(())
        parameters = list(self.parameters())
        for size in sizes:
            block, along = parameters[:size], gradient[:size]
            parameters, gradient = parameters[size:], gradient[size:]
            squares = sum((g.square().sum() for g in along), torch.zeros(()))
            count = sum(g.numel() for g in along)
            scale = (count / squares) ** 0.5 if float(squares) > 0 else 0.0
            for parameter, g in zip(block, along, strict=True):
                total = total - (scale * g * parameter).sum()
        return total


class WeightSource:
    """Rewards and diffusion losses of perturbed voices; see `batch_sources.BatchSource`.

    An update has `sentences` prompts and `group` perturbed voices for each, half of them mirrored:
    as many scores as an update that explores the chain.

    Args:
        objective: alpha, beta and `unit_spread`.
        space: coordinates of the policy's weights.
        collector: draws prompts, judges outputs.
        recordings: windows of DL; None if beta is 0.

    Raises:
        ConfigError: an odd group, which can't be mirrored.
    """

    def __init__(
        self,
        objective: Objective,
        space: WeightSpace,
        collector: RolloutCollector,
        recordings: RecordingSource | None,
    ) -> None:
        self.settings = collector.settings
        if self.settings.group % 2:
            raise ConfigError(
                f"group is {self.settings.group}; expected an even number, since exploring weights"
                " mirrors each perturbation"
            )
        self.objective, self.space, self.collector = objective, space, collector
        self.recordings = recordings

    def draw(self, update: int, logged: bool) -> UpdateBatch:
        """See `batch_sources.BatchSource.draw`."""
        collector = self.collector
        blocks = min(len(self.space.blocks), 1 + update // self.settings.grow_every)
        prompts = collector.draw(update)
        with collector.timer.stage("rollout"):
            batch, losses = self._explore(prompts, update, blocks)
        collector.chains_run += len(batch) * collector.processes.count
        of_parts, reward_figures = collector.judge(batch)
        rewards = torch.cat(of_parts).view(-1, 2)
        # Every process estimates from all pairs, so that all take the same step.
        gather, per_prompt = collector.processes.gather, self.settings.group // 2
        numbers = [n for own in gather([prompt.number for prompt in prompts]) for n in own]
        pairs = [(number, pair) for number in numbers for pair in range(per_prompt)]
        of_reward = torch.cat(gather(rewards[:, 0] - rewards[:, 1]))
        of_loss = torch.cat(gather(losses[:, 0] - losses[:, 1]))
        slopes = return_differences(of_reward, of_loss, self.objective)
        slopes = slopes / (2 * self.settings.explore_std)
        perturbations = [self._perturbation(update, *pair, blocks) for pair in pairs]
        gradient = self.space.estimate(perturbations, slopes)
        figures = reward_figures | {
            "explored_blocks": float(blocks),
            "reward_difference": float(of_reward.square().mean().sqrt()),
            "diffusion_difference": float(of_loss.square().mean().sqrt()),
        }
        if self.recordings is not None:
            figures["diffusion_of_recordings"] = float(losses.mean())

        def loss(policy: Policy) -> Tensor:
            return self.space.ascent(gradient)

        return UpdateBatch(lambda done: [LossTerm(1.0, loss)], figures, self._measure)

    def _perturbation(self, update: int, number: int, pair: int, blocks: int) -> Perturbation:
        return self.space.draw((self.settings.seed, update, number, pair), blocks)

    @torch.no_grad()
    def _explore(
        self, prompts: Sequence[Prompt], update: int, blocks: int
    ) -> tuple[RolloutBatch, Tensor]:
        """Rollouts of the perturbed voices, alternating plus and minus, and their (pairs, 2) DL."""
        collector, model = self.collector, self.collector.model
        parts: list[Rollout] = []
        losses: list[float] = []
        recorded, seed = None, 0
        if self.recordings is not None:
            # Each process takes all of the windows, since its pairs are its own.
            recorded, seed = self.recordings.recorded(update, (0, 1))
        try:
            for prompt in prompts:
                conditions: Conditions = conditions_of(model, [prompt], collector.reach)
                keys = seed_keys(self.settings.seed, update, [prompt.number], 1)
                for pair in range(self.settings.group // 2):
                    z = self._perturbation(update, prompt.number, pair, blocks)
                    for sign in (1, -1):
                        self.space.write(z, sign * self.settings.explore_std)
                        rollout = roll_out(model, conditions, collector.chain, keys, 1)
                        parts.append(of_prompts(rollout, [prompt]))
                        if recorded is not None:
                            drawn = torch.Generator().manual_seed(seed)
                            loss = diffusion_loss(model, recorded, collector.chain, drawn)
                            losses.append(float(loss))
        finally:
            self.space.write()
        of_pairs = torch.tensor(losses or [0.0] * len(parts), dtype=torch.float64).view(-1, 2)
        return RolloutBatch(tuple(parts)), of_pairs

    def _measure(self) -> dict[str, float]:
        """How far the coordinates have moved, RMS by block."""
        space = self.space
        moved = {"moved_tensors": space.tensors, "moved_channels": space.channels}
        figures = {name: float(v.detach().square().mean().sqrt())
                   for name, v in moved.items() if len(v)}  # fmt: skip
        if len(space.rank1):
            flat = torch.cat([change.detach().flatten() for change in space.rank1])
            figures["moved_rank1"] = float(flat.square().mean().sqrt())
        return figures


def return_differences(of_reward: Tensor, of_loss: Tensor, objective: Objective) -> Tensor:
    """(M,) alpha (r+ - r-) - beta (DL+ - DL-) of M pairs.

    With `unit_spread` both differences are first scaled to an RMS of 1 over the update's pairs.

    Raises:
        TrainingError: a difference is not finite.
    """
    if not bool(torch.isfinite(of_reward).all() and torch.isfinite(of_loss).all()):
        raise TrainingError(
            "the reward or diffusion loss of a perturbed voice is NaN or infinite; lower"
            " explore_std"
        )
    if objective.unit_spread:
        of_reward, of_loss = (
            x / x.square().mean().sqrt().clamp(min=torch.finfo(x.dtype).tiny)
            for x in (of_reward, of_loss)
        )
    return objective.alpha * of_reward - objective.beta * of_loss
