"""Policy gradient over weights: DLPO that explores the weights instead of the chain's noise.

    theta  the weights; theta * v the weights moved by coordinates v, relative to their own size
    z      N(0, I), of the coordinates' shape; z_m of pair m
    s      standard deviation of the exploration
    R      return alpha r - beta DL of one perturbed voice, DL on recordings: the diffusion loss of
           an explored denoiser, `prosody_loss` of an explored prosody
    J      E_z[R(theta * s z)], the objective; its gradient is in v, at v = 0

    grad J = E_z[(R(theta * s z) - R(theta * -s z)) z] / (2 s)

The two voices of a pair, and all pairs of a sentence, share the chain's noise and the windows,
levels and noise of DL, so that a difference comes from the weights alone. R covers the whole served
chain, including its noiseless last step, and no judge needs a gradient.

Where DL guides by its own gradient instead (`guide` is recordings or both), an update takes a step
down the control's loss too: what has a gradient is learned from it, the rest by exploring.

Coordinates come in blocks, from few to many, which a run adds one by one:

    prosody    duration, pitch, loudness and timbre of a `spectral` voice, in 18 numbers, or 21 if
               it draws its pitch: see `prosody_moves`
    tensors    one log-gain for each tensor of the denoiser
    channels   one log-gain for each output channel of each of its matrices
    rank1      a matrix of changes for each of its matrices W, in units of the RMS of W, explored
               along a b^T with a, b ~ N(0, I): uncorrelated entries of unit variance from few draws

References: Sehnke et al. 2010 (PGPE) for the antithetic estimate; Salimans et al. 2017
(arXiv 1703.03864); Sarkar et al. 2025 (EGGROLL, arXiv 2511.16652) for rank-1 exploration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.config.training import Subspace
from dlpo.errors import ConfigError, TrainingError
from dlpo.model.acoustics import MEL_BANDS
from dlpo.model.build import Model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.batch_sources import RecordingSource, UpdateBatch
from dlpo.rl.collector import RolloutBatch, RolloutCollector, of_prompts
from dlpo.rl.conditions import conditions_of
from dlpo.rl.methods import Objective
from dlpo.rl.prompts import Prompt
from dlpo.rl.rollout import Key, Rollout, roll_out, seed_keys

BLOCKS: tuple[Subspace, ...] = get_args(Subspace)
EXPLORATION = 6  # last element of perturbation keys
LOG_ODDS, PROSODY_BANDS = 5.0, 10  # change per unit of log-odds; overlapping bands of log-mel
CENTRE = 0.1  # change per unit of a pitch's centre, relative to its ln Hz


Move = Sequence[tuple[Tensor, Tensor]]
"""Weights, and what a coordinate of 1 adds to each"""


def prosody_moves(model: Model) -> list[Move]:
    """The coordinates of a model's prosody; none for a model that doesn't predict it.

    Offsets of log duration, of the log-odds of a pause and of voicing, of the symbols' width in
    the upsampling and of energy; gains of the predicted log duration, energy and log-mel; offsets
    of log-mel in 10 overlapping bands; centre, spread and temperature of a drawn pitch.
    """
    if isinstance(model, WaveGrad2):
        return []
    weights = dict(model.named_parameters())

    def row(name: str, number: int, step: float | None = None) -> Move:
        """Adds `step`, or the row itself, to a row."""
        weight = weights[name]
        change = torch.zeros_like(weight)
        change[number] = weight[number] if step is None else step
        return [(weight, change)]

    pitch_steps = []
    if model.contour is not None:
        drawn = model.pitch_ranges * (model.pitch_ranges[:, 2:] > 0)  # sessions have none
        steps = torch.tensor([CENTRE, 1.0, 1.0]) * drawn
        pitch_steps = [(model.pitch_ranges, steps * unit) for unit in torch.eye(3)]
    with torch.no_grad():
        mel, offset = weights["mel_out.weight"], weights["mel_out.bias"]
        centres, bands = torch.linspace(0, MEL_BANDS - 1, PROSODY_BANDS), torch.arange(MEL_BANDS)
        overlapping = (1 - (bands - centres[:, None]).abs() / centres[1]).clamp(min=0).to(offset)
        return [
            row("timing_out.bias", 0, 1.0),
            row("timing_out.bias", 1, LOG_ODDS),
            row("timing_out.bias", 2, 1.0),
            row("prosody_out.bias", 1, LOG_ODDS),
            row("prosody_out.bias", 2, 1.0),
            row("timing_out.weight", 0),
            row("prosody_out.weight", 2),
            [(mel, mel.clone()), (offset, offset.clone())],
            *([(offset, band)] for band in overlapping),
            *([(pitch, step)] for pitch, step in pitch_steps),
        ]


@dataclass(frozen=True, slots=True)
class Perturbation:
    """z: one draw for the active blocks."""

    vectors: tuple[Tensor, ...]
    """of the blocks before `rank1`: (P,), (J,) and (C,), the channels of all matrices"""
    rank1: tuple[tuple[Tensor, Tensor], ...] = ()
    """(a, b) for each matrix, (rows,) and (columns,)"""


class WeightSpace(nn.Module):
    """Coordinates in which some weights are explored and moved, about their current values.

    Its state is the velocity of the moves.

    Args:
        weights: tensors of the policy.
        subspace: the largest block.
        momentum: share of a move that the next one repeats.
        prosody: see `prosody_moves`; without any there is no such block.

    Raises:
        ConfigError: there is nothing to explore.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        subspace: Subspace = "tensors",
        momentum: float = 0.0,
        prosody: Sequence[Move] = (),
    ) -> None:
        super().__init__()
        self.weights = list(weights)
        self.momentum, self.prosody = momentum, prosody
        self.blocks = [b for b in BLOCKS[: BLOCKS.index(subspace) + 1] if prosody or b != BLOCKS[0]]
        self.matrices = [j for j, weight in enumerate(weights) if weight.ndim > 1]
        self.rows = [len(weights[j]) for j in self.matrices]
        if not self.blocks:
            raise ConfigError(
                "subspace is 'prosody'; expected tensors, channels or rank1 for this model, which"
                " predicts no prosody of its own"
            )
        sizes = {"prosody": len(prosody), "tensors": len(weights), "channels": sum(self.rows)}
        self.sizes = {name: size for name, size in sizes.items() if name in self.blocks}
        changes = [weights[j] for j in self.matrices if "rank1" in self.blocks]
        self.velocity = nn.ParameterList(
            nn.Parameter(torch.zeros(shape), requires_grad=False)
            for shape in (*((n,) for n in self.sizes.values()), *(c.shape for c in changes))
        )
        self.gradient: Sequence[Tensor] = ()
        self.noise = 0.0

    def draw(self, key: Key, blocks: int) -> Perturbation:
        """z of the first `blocks` blocks, drawn from a key alone; the others are not explored."""
        random = np.random.default_rng((*key, EXPLORATION))

        def normal(size: int) -> Tensor:
            return torch.from_numpy(random.standard_normal(size, dtype=np.float32))

        vectors = tuple(normal(size) for size in list(self.sizes.values())[:blocks])
        if blocks <= len(vectors):
            return Perturbation(vectors)
        shapes = [(rows, self.weights[j][0].numel())
                  for j, rows in zip(self.matrices, self.rows, strict=True)]  # fmt: skip
        return Perturbation(vectors, tuple((normal(r), normal(columns)) for r, columns in shapes))

    def coordinates(self, z: Perturbation) -> list[Tensor]:
        """z in the shapes of `velocity`; 0 in the blocks that are not explored."""
        found = [torch.zeros_like(v) for v in self.velocity]
        for vector, drawn in zip(found, z.vectors, strict=False):
            vector.copy_(drawn)
        for change, (a, b) in zip(found[len(self.sizes) :], z.rank1, strict=False):
            change.copy_(torch.outer(a, b).view_as(change))
        return found

    @torch.no_grad()
    def move(self, coordinates: Sequence[Tensor], scale: float) -> None:
        """Set the weights to theta * (scale v)."""
        vectors = dict(zip(self.sizes, coordinates, strict=False))
        matrices = [self.weights[j] for j in self.matrices]
        sizes = [matrix.square().mean().sqrt() for matrix in matrices]
        if "prosody" in vectors:
            for move, step in zip(self.prosody, scale * vectors["prosody"], strict=True):
                for weight, change in move:
                    weight.add_(step * change)
        if "tensors" in vectors:
            for weight, gain in zip(self.weights, (scale * vectors["tensors"]).exp(), strict=True):
                weight.mul_(gain)
        if "channels" in vectors:
            gains = torch.split((scale * vectors["channels"]).exp(), self.rows)
            for weight, gain in zip(matrices, gains, strict=True):
                weight.mul_(gain.view(-1, *[1] * (weight.ndim - 1)))
        for weight, size, change in zip(matrices, sizes, coordinates[len(vectors) :], strict=False):
            weight.add_(size * scale * change)

    @contextmanager
    def moved(self, coordinates: Sequence[Tensor], scale: float) -> Iterator[None]:
        """Within the block the weights are theta * (scale v)."""
        weights = [*self.weights, *(weight for move in self.prosody for weight, _ in move)]
        before = [weight.detach().clone() for weight in weights]
        self.move(coordinates, scale)
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, value in zip(weights, before, strict=True):
                    weight.copy_(value)

    def learn(self, rate: float) -> None:
        """Move along `gradient` by an RMS of at most `rate` in each explored block, plus momentum.

        `noise` is the standard deviation of a coordinate's estimate: smaller gradients are ignored.
        """
        for velocity, step in zip(self.velocity, self._normalized(), strict=True):
            velocity.mul_(self.momentum).add_(step)
        self.move(list(self.velocity), rate)

    def estimate(self, perturbations: Sequence[Perturbation], slopes: Tensor) -> list[Tensor]:
        """The gradient of J, in the shapes of `velocity`.

            g = mean_m slope_m z_m,   slope_m = (R+_m - R-_m) / (2 s)

        Args:
            perturbations: z_m of M pairs, of the same blocks.
            slopes: (M,).
        """
        found = [torch.zeros_like(v) for v in self.velocity]
        for z, slope in zip(perturbations, slopes.tolist(), strict=True):
            for total, drawn in zip(found, self.coordinates(z), strict=True):
                total.add_(drawn, alpha=slope / len(perturbations))
        return found

    def _normalized(self) -> list[Tensor]:
        """The gradient at an RMS of 1 in each block, each coordinate less its share of noise."""
        found: list[Tensor] = []
        vectors = len(self.sizes)
        for block in (*([g] for g in self.gradient[:vectors]), self.gradient[vectors:]):
            squares = sum(float(g.square().sum()) for g in block)
            scale = (sum(g.numel() for g in block) / squares) ** 0.5 if squares > 0 else 0.0
            for g in block:
                noise_share = self.noise**2 / g.square().clamp(min=torch.finfo(g.dtype).tiny)
                found.append(scale * g * (1 - noise_share).clamp(min=0))
        return found


class WeightSource:
    """Rewards and diffusion losses of perturbed voices; see `batch_sources.BatchSource`.

    An update has `sentences` prompts and `group` perturbed voices for each, half of them mirrored:
    as many scores as an update that explores the chain.

    Args:
        objective: alpha, beta and `unit_spread`.
        space: coordinates of the policy's weights.
        collector: draws prompts, judges outputs.
        recordings: windows of DL and of the control's loss; None if beta is 0.

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
        self.space.gradient = self.space.estimate(perturbations, slopes)
        self.space.noise = float((slopes.square().mean() / len(slopes)).sqrt())
        figures = reward_figures | {
            "explored_blocks": float(blocks),
            "reward_difference": float(of_reward.square().mean().sqrt()),
            "guide_loss_difference": float(of_loss.square().mean().sqrt()),
        }
        if self.objective.returns_loss:
            figures["guide_loss"] = float(losses.mean())
        terms = []
        if self.recordings is not None and self.objective.needs_recordings:
            terms = [self.recordings.term(update)]
        return UpdateBatch(lambda done: terms, figures)

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
        diffusion: Callable[[], float] = float  # 0
        if self.recordings is not None and self.objective.returns_loss:
            diffusion = self.recordings.returned(update, self.space.blocks[:blocks])
        for prompt in prompts:
            keys = seed_keys(self.settings.seed, update, [prompt.number], 1)
            for pair in range(self.settings.group // 2):
                z = self._perturbation(update, prompt.number, pair, blocks)
                direction = self.space.coordinates(z)
                for sign in (1, -1):
                    with self.space.moved(direction, sign * self.settings.explore_std):
                        conditions = conditions_of(model, [prompt], collector.reach)
                        rollout = roll_out(model, conditions, collector.chain, keys, 1)
                        parts.append(of_prompts(rollout, [prompt]))
                        losses.append(diffusion())
        of_pairs = torch.tensor(losses, dtype=torch.float64).view(-1, 2)
        return RolloutBatch(tuple(parts)), of_pairs


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
