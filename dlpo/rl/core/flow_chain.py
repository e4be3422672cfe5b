"""A flow as a chain whose steps have a density, so that every method with a ratio learns from it.

    z = alpha x + sigma n = (alpha + sigma) x_t,  t = alpha / (alpha + sigma)
    x0_hat = x_t + (1 - t) v(x_t, t)

Without noise (eta = 0) a step is Euler's of the flow; with eta > 0 it adds what it took, so that
states keep their distribution. `ddpo` on such a chain is Flow-GRPO, whose own step is
Euler-Maruyama's.

References: Liu et al. 2025 (Flow-GRPO, arXiv 2505.05470); Wang and Yu 2025 (arXiv 2509.05952) for
steps that keep the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from dlpo.config import Parametrisation
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.conditions import Conditions

FIRST_TIME = 0.01  # at which a chain begins: a level must be above 0


class FlowDenoiser(nn.Module):
    """A flow's network as one that predicts x_0, for `ChainPolicy`.

    Args:
        flow: a `DiffusionModel` that predicts velocities.
    """

    parametrisation: Parametrisation = "x0"

    def __init__(self, flow: Any) -> None:
        super().__init__()
        self.flow = flow
        self.train(flow.training)

    def condition(self, prompts: Sequence[Any]) -> Conditions:
        """What the network is given for each prompt."""
        found: Conditions = self.flow.condition(prompts)
        return found

    def denoise(self, noisy: Tensor, level: Tensor, *inputs: Any) -> Tensor:
        """See `DiffusionModel.denoise`."""
        total = level + (1 - level.square()).clamp(min=0).sqrt()
        time = level / total
        mixed = noisy / total[:, None]
        velocity: Tensor = self.flow.denoise(mixed, time.expand(len(noisy)), *inputs)
        return mixed + (1 - time)[:, None] * velocity


def flow_schedule(steps: int, eta: float) -> NoiseSchedule:
    """Levels of a flow's chain, equally spaced in time."""
    time = np.linspace(FIRST_TIME, 1, steps + 1)
    return NoiseSchedule("flow", time / np.sqrt(time**2 + (1 - time) ** 2), eta)
