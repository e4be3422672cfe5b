"""What the core asks of a model, and what a method asks of a policy.

A model is any network that predicts noise, clean samples, v or a flow's velocity: two methods,
`condition` and `denoise` (`DiffusionModel`). Two policies draw with one:

    dlpo.rl.core.chain.ChainPolicy    actions are the reverse steps of a diffusion chain. They have
                                      a density, so that policy gradients have a ratio
    dlpo.rl.core.flow.FlowPolicy      the action is the whole sample. It has no density that could
                                      be had cheaply, but the loss that the flow was trained with
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from dlpo.rl.core.conditions import Conditions

Drawn = TypeVar("Drawn")


class Numbered(Protocol):
    """What is asked for; anything else of it is the model's and the reward's business."""

    @property
    def number(self) -> int:
        """Identifies it: its noise is drawn from this number."""
        ...


class DiffusionModel(Protocol):
    """A network that predicts, and knows what its prompts mean. It must be in eval mode."""

    parametrisation: Any
    """what it predicts: "eps", "x0" or "v"; a flow's velocity for a `FlowPolicy`"""

    def condition(self, prompts: Sequence[Any]) -> Conditions:
        """What the network is given for each prompt."""
        ...

    def denoise(self, noisy: Tensor, level: Tensor, /, *inputs: Any) -> Tensor:
        """(B, T) noisy samples, (B,) or (1,) levels, `Conditions.inputs` -> (B, T), its prediction.

        A level is sqrt(alpha_bar), 1 for a clean sample; of a flow a time, 0 for noise.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordedSamples:
    """Samples to learn from beside the model's own, in the model's scale."""

    conditions: Conditions
    """of B rows"""
    clean: Tensor
    """(B, T) x_0"""
    share: tuple[int, int] = (0, 1)
    """Rank of this process and number of processes. Levels and noise are drawn for the rows of all
    processes, so that an update does not depend on their number."""


class Policy(Protocol[Drawn]):
    """Draws for prompts, and can be taught to draw otherwise.

    `Drawn` is what it draws: B rows, the G draws of a prompt adjacent.
    """

    def draw(self, prompts: Sequence[Any], key: tuple[int, int], group: int) -> Drawn:
        """G draws for each prompt, without a gradient.

        Args:
            key: (seed, update) that all noise is drawn from.
            group: G.
        """
        ...

    def matching_losses(self, drawn: Drawn, draws: int, before: Self | None = None) -> Tensor:
        """(K, B): the policy's own training loss on what it drew: how badly it predicts that.

        Noise and levels are keyed by the prompt: its G draws share them, so that chance favors
        none. Losses that add up over samples, as log-densities do, up to one constant.

        Args:
            draws: of noise for each level or time; K is a multiple of it.
            before: another policy, without a gradient: the squared distance of the predictions from
                its predictions instead.
        """
        ...

    def divergence(
        self, drawn: Drawn, draws: int, before: Self, everywhere: float, outside: float
    ) -> Tensor:
        """(): squared distance of its predictions in `matching_losses` from another policy's.

        Args:
            before: the other policy, which gets no gradient.
            everywhere: weight of all points.
            outside: further weight of those that no reward credits, if the policy knows them.
        """
        ...

    def own_loss(self, drawn: Drawn, draws: int) -> Tensor:
        """(..., B): `matching_losses` as a scalar to guide by, without a gradient."""
        ...

    def diffusion_loss(self, recorded: Any, generator: torch.Generator) -> Tensor:
        """(): the loss of its training on recordings.

        Args:
            generator: draws noise and levels, on the CPU.
        """
        ...
