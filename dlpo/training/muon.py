"""Muon for the weights of convolutions and chosen linear layers, AdamW for everything else.

Muon's step has the directions of the momentum, all of one size: the momentum's matrix, output
channels by the rest, is brought close to an orthogonal one.

References: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; the step's size is that
of AdamW, Liu et al. 2025, https://arxiv.org/abs/2502.16982, section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
SMALLEST = 8  # sides of a matrix; below, directions of one size are no help
SIZE = 0.2  # root mean square of a step of AdamW, over the learning rate
ITERATIONS, COEFFICIENTS = 5, (3.4445, -4.775, 2.0315)
"""of the quintic that takes singular values to about 1 (Jordan et al.)"""


class Muon(torch.optim.AdamW):
    """One optimizer for all parameters, with one learning rate; matrices have no weight decay.

    Args:
        parameters: all that learn.
        learning_rate: of both.
        betas, weight_decay: of AdamW.
        layers: linear ones whose weights are matrices, too; those of convolutions always are.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.01,
        layers: Iterable[nn.Linear] = (),
    ) -> None:
        super().__init__(parameters, learning_rate, betas, weight_decay=weight_decay)
        self._linear = {id(layer.weight) for layer in layers}

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """See `torch.optim.Optimizer.step`."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and self._is_matrix(weight):
                    weight.add_(self._direction(weight, weight.grad), alpha=-group["lr"])
                    weight.grad = None  # so AdamW passes over it
        return super().step(closure)

    def _is_matrix(self, weight: Tensor) -> bool:
        known = weight.ndim > 2 or id(weight) in self._linear
        return known and min(weight.shape[0], weight[0].numel()) >= SMALLEST

    def _direction(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Nesterov's momentum, made orthogonal, in the shape of the weight."""
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it in every state that it loads
            state["momentum"] = torch.zeros_like(weight)
        state["step"] += 1
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)
        size: float = SIZE * max(ahead.shape) ** 0.5
        return orthogonal(ahead).view_as(weight) * size


def orthogonal(matrix: Tensor) -> Tensor:
    """(M, N) -> (M, N), of the same singular vectors and singular values from 0.7 to 1.2."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = COEFFICIENTS
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
