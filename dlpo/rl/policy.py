"""What a method of this package asks of a policy, whatever it draws.

Two policies exist: `dlpo.rl.chain.ChainPolicy`, whose actions are the reverse steps of a denoiser,
and the pitch flow (`dlpo.rl.pitch_flow`), whose action is a whole contour. A policy with a density
has log-probabilities, which policy gradients need; every policy has the loss it was trained with,
which is enough for advantage-weighted matching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from dlpo.rl.prompts import Prompt

Drawn = TypeVar("Drawn")
Recorded = TypeVar("Recorded", contravariant=True)


class Policy(Protocol[Drawn, Recorded]):
    """Draws actions for sentences and can be taught to draw others.

    `Drawn` is what it draws for B rows, G adjacent ones for each sentence; `Recorded` is what it
    takes recordings as.
    """

    def draw(self, prompts: Sequence[Prompt], key: tuple[int, int], group: int) -> Drawn:
        """G draws for each sentence, without a gradient.

        Args:
            key: (seed, update) that all noise is drawn from.
            group: G.
        """
        ...

    def matching_errors(self, drawn: Drawn, draws: int) -> Tensor:
        """(K, B): how badly the policy predicts its own samples from noised ones, as in training.

        Noise and levels are keyed by the sentence: the G samples of a sentence share them, so that
        chance favors none.

        Args:
            draws: of noise for each level or time; K is a multiple of it.
        """
        ...

    def departures(self, drawn: Drawn, draws: int, before: Self) -> Tensor:
        """(K, B): squared distance of its predictions in `matching_errors` from another policy's.

        Args:
            before: the other policy, which gets no gradient.
        """
        ...

    def diffusion_loss(self, recorded: Recorded, generator: torch.Generator) -> Tensor:
        """(): the loss of its training on recordings.

        Args:
            generator: draws noise and levels, on the CPU.
        """
        ...
