"""Coordinates in which some weights are explored and moved; see `dlpo.rl.weights`.

They come in blocks, from few to many, which a run adds one by one:

    prosody    duration, pitch, loudness and timbre of a `spectral` voice, in 18 numbers, or 21 if
               it draws its pitch: see `dlpo.rl.prosody_moves`
    tensors    one log-gain for each tensor of the denoiser
    channels   one log-gain for each output channel of each of its matrices
    rank1      a matrix of changes for each of its matrices W, in units of the RMS of W, explored
               along a b^T with a, b ~ N(0, I): uncorrelated entries of unit variance from few draws
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.config.training import Subspace
from dlpo.errors import ConfigError
from dlpo.rl.noise import Key
from dlpo.rl.prosody_moves import Move

BLOCKS: tuple[Subspace, ...] = get_args(Subspace)
EXPLORATION = 6  # last element of perturbation keys


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
        self.momentum = momentum
        self.prosody = prosody
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

        `noise` is the standard deviation of a coordinate's estimate; see `shrunken`.
        """
        vectors = len(self.sizes)
        blocks = [*([g] for g in self.gradient[:vectors]), list(self.gradient[vectors:])]
        steps = [step for block in blocks for step in shrunken(block, self.noise)]
        for velocity, step in zip(self.velocity, steps, strict=True):
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


def shrunken(block: Sequence[Tensor], noise: float) -> list[Tensor]:
    """A block's step: its gradient over its RMS, less what noise alone would make of it.

        g sqrt(d) / |g| * max(0, 1 - (d - 2) noise^2 / |g|^2)

    The positive part of James and Stein's estimate, for the d coordinates of the block together,
    over the length of g before it was shrunk: a block that is mostly noise takes a short step.

    Args:
        block: g, an estimate whose coordinates each have a standard deviation of `noise`.

    Reference: James and Stein 1961; Baranchik 1970 for the positive part.
    """
    size = sum(g.numel() for g in block)
    squares = sum(float(g.square().sum()) for g in block)
    if squares == 0:
        return [torch.zeros_like(g) for g in block]
    kept = max(0.0, 1 - max(0, size - 2) * noise**2 / squares)
    return [(size / squares) ** 0.5 * kept * g for g in block]
