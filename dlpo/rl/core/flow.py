"""A flow as a policy: whole samples drawn from noise, by a network that was trained to predict v.

    x = draw(n), n ~ N(0, I)                    integrates v from time 0 to 1
    e(x) = |v((1 - t) n + t x, t) - (x - n)|^2  the flow's own training loss on a sample x

A flow has no density that could be had cheaply, so it learns from e, its loss on what it drew.

`FlowDenoiser` makes it a chain whose steps have one, so that every method with a ratio learns from
it too; `ddpo` on such a chain is Flow-GRPO, whose own step is Euler-Maruyama's:

    z = alpha x + sigma n = (alpha + sigma) x_t,  t = alpha / (alpha + sigma)
    x0_hat = x_t + (1 - t) v(x_t, t)

Without noise (eta = 0) a step is Euler's of the flow; with eta > 0 it adds what it took, so that
states keep their distribution.

References: Lipman et al. 2023 (arXiv 2210.02747); Xue et al. 2025 (advantage-weighted matching,
arXiv 2509.25050); Liu et al. 2025 (Flow-GRPO, arXiv 2505.05470); Wang and Yu 2025 (arXiv
2509.05952) for steps that keep the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.config import Parametrisation
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.conditions import Conditions, Key, inside_mean, keyed_noise
from dlpo.rl.core.policy import DiffusionModel

MATCHING = 14  # last element of the keys of noise and times
ANCHORED = 2  # draws of a prompt whose divergence is measured
FIRST_TIME = 0.01  # at which a chain begins: a level must be above 0
C = TypeVar("C")


@dataclass(frozen=True, slots=True, eq=False)
class FlowDraws(Generic[C]):
    """What a flow drew for B prompts."""

    conditions: C
    """of B prompts"""
    samples: Tensor
    """(B, G, ...)"""
    keys: tuple[Key, ...]
    """B keys, one a prompt"""
    credit: Tensor | None = None
    """(B, ...) share of each point that the reward is about; None: it is about all of them"""
    prompts: tuple[Any, ...] = ()
    """B prompts"""

    @property
    def group(self) -> int:
        """G, the draws of each prompt."""
        return self.samples.shape[1]

    @property
    def output(self) -> Tensor:
        """(B G, ...)"""
        return self.samples.flatten(0, 1)

    def __len__(self) -> int:
        return self.samples.shape[0] * self.samples.shape[1]

    def chosen(self, columns: Tensor) -> FlowDraws[C]:
        """(B, L) numbers of draws -> these draws of each prompt."""
        rows = torch.arange(len(self.samples))[:, None]
        return replace(self, samples=self.samples[rows, columns])


class FlowPolicy(Generic[C]):
    """Draws with a flow; a `dlpo.rl.core.policy.Policy`.

    Args:
        model: a `DiffusionModel`, in eval mode, whose `denoise` returns velocities (B, T).
        steps: midpoint steps from noise to sample.
    """

    def __init__(self, model: DiffusionModel | Any, steps: int = 8) -> None:
        self.model: Any = model
        self.steps = steps

    @property
    def flow(self) -> nn.Module:
        """The network that learns."""
        network: nn.Module = self.model
        return network

    # ------------------------------------------------------------------ what a subclass may change
    def conditions(self, prompts: Sequence[Any]) -> C:
        """What the network is given for each prompt."""
        found: C = self.model.condition(prompts)
        return found

    def noise(self, conditions: Any, keys: Sequence[Key], rows: int) -> Tensor:
        """(B, `rows`, ...) standard normal, each prompt's from its key alone; 0 in the padding."""
        inside = conditions.inside
        drawn = torch.stack([keyed_noise(key, rows, inside.shape[1]) for key in keys])
        noise: Tensor = drawn.to(inside) * inside[:, None]
        return noise

    def weights(self, conditions: Any) -> Tensor:
        """(B, ...) how much each point counts; 0 in the padding."""
        found: Tensor = conditions.inside
        return found

    def velocity(self, conditions: Any, noisy: Tensor, time: Tensor) -> Tensor:
        """(B, M, ...) noisy samples at (B, M) times -> (B, M, ...)."""
        inputs = conditions.repeat(noisy.shape[1]).inputs
        found: Tensor = self.model.denoise(noisy.flatten(0, 1), time.flatten(), *inputs)
        return found.view(noisy.shape)

    def integrate(self, conditions: Any, noise: Tensor) -> Tensor:
        """(B, G, ...) standard normal -> (B, G, ...) samples, with their gradient."""
        x, weights = noise, self.weights(conditions)[:, None]
        for step in range(self.steps):
            now = torch.full(noise.shape[:2], step / self.steps, device=x.device, dtype=x.dtype)
            half = x + self.velocity(conditions, x, now) / (2 * self.steps)
            x = x + self.velocity(conditions, half, now + 0.5 / self.steps) / self.steps * weights
        return x

    def diffusion_loss(self, recorded: Any, generator: torch.Generator) -> Tensor:
        """See `Policy.diffusion_loss`: the flow-matching loss of `RecordedSamples` samples."""
        clean: Tensor = recorded.clean
        inside: Tensor = recorded.conditions.inside
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        time = torch.rand(len(clean), 1, generator=generator).to(clean)
        noisy = ((1 - time) * noise + time * clean)[:, None]
        error = self.velocity(recorded.conditions, noisy, time)[:, 0] - (clean - noise)
        return inside_mean(error.square(), inside).mean()

    # ------------------------------------------------------------------ the policy
    @torch.no_grad()
    def draw(self, prompts: Sequence[Any], key: tuple[int, int], group: int) -> FlowDraws[C]:
        """See `Policy.draw`."""
        keys = tuple((*key, prompt.number) for prompt in prompts)
        conditions = self.conditions(prompts)
        samples = self.integrate(conditions, self.noise(conditions, keys, group))
        return FlowDraws(conditions, samples, keys, prompts=tuple(prompts))

    def matching_losses(
        self, drawn: FlowDraws[C], draws: int, before: FlowPolicy[C] | None = None
    ) -> Tensor:
        """(K, B G): see `Policy.matching_losses`; weighted means over the credited points."""
        squared, weights = self._squared(drawn, draws, before), self.weights(drawn.conditions)
        counted = weights if drawn.credit is None else weights * drawn.credit
        return _means(squared, counted, counted, draws)

    def divergence(
        self,
        drawn: FlowDraws[C],
        draws: int,
        before: FlowPolicy[C],
        everywhere: float = 1.0,
        outside: float = 0.0,
    ) -> Tensor:
        """(): see `Policy.divergence`; of the first `ANCHORED` draws of each prompt."""
        some = replace(drawn, samples=drawn.samples[:, :ANCHORED])
        squared, weights = self._squared(some, draws, before), self.weights(some.conditions)
        where = everywhere if drawn.credit is None else everywhere + outside * (1 - drawn.credit)
        return _means(squared, weights * where, weights, draws).mean()

    @torch.no_grad()
    def own_loss(self, drawn: FlowDraws[C], draws: int) -> Tensor:
        """(B G,): see `Policy.own_loss`."""
        return self.matching_losses(drawn, draws).mean(0)

    def _squared(self, drawn: FlowDraws[C], draws: int, before: FlowPolicy[C] | None) -> Tensor:
        """(B, G K, ...): squared errors of the velocities, or their distance from `before`'s."""
        noisy, time, wanted = self._noised(drawn, draws)
        if before is not None:
            with torch.no_grad():
                wanted = before.velocity(drawn.conditions, noisy, time)
        return (self.velocity(drawn.conditions, noisy, time) - wanted).square()

    def _noised(self, drawn: FlowDraws[C], draws: int) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy samples (B, G K, ...), their times (B, G K) and the velocities to match.

        Noise and times, K pairs with a time in each K-th of [0, 1], are shared by the draws of a
        prompt.
        """
        samples, group = drawn.samples, drawn.group
        keys = [(*key, MATCHING) for key in drawn.keys]
        noise = self.noise(drawn.conditions, keys, draws)[:, None]  # (B, 1, K, ...)
        uniform = np.stack([np.random.default_rng((*key, 1)).random(draws) for key in keys])
        time = (torch.from_numpy(uniform).to(samples) + torch.arange(draws).to(samples)) / draws
        time = time[:, None].expand(-1, group, -1)
        at, clean = time.view(*time.shape, *[1] * (samples.ndim - 2)), samples[:, :, None]
        noisy, target = (1 - at) * noise + at * clean, clean - noise
        return noisy.flatten(1, 2), time.flatten(1, 2), target.flatten(1, 2)


def _means(squared: Tensor, counted: Tensor, total: Tensor, draws: int) -> Tensor:
    """(B, G K, ...) -> (K, B G): weighted sums over the points, by the total of other weights."""
    points = tuple(range(1, counted.ndim))
    share = counted / total.sum(points, keepdim=True).clamp(min=1e-6)
    of_draws = (squared * share[:, None]).sum(tuple(range(2, squared.ndim)))  # (B, G K)
    return of_draws.view(-1, draws).T


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
