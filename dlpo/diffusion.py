"""Diffusion in torch: forward noising, prediction targets and the reverse chain.

    x_0    clean waveform               alpha  noise level, sqrt(alpha_bar)
    x_t    alpha x_0 + sigma eps        sigma  sqrt(1 - alpha^2)
    v      alpha eps - sigma x_0        std    of the fresh noise of a reverse step

Every coefficient of the chain comes from `dlpo.noise_schedule`.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from dlpo.config import Parametrisation
from dlpo.errors import InputError
from dlpo.noise_schedule import NoiseSchedule


class Denoise(Protocol):
    """The network of a reverse step: any model's `denoise`."""

    def __call__(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """(B, T), (B,) or (1,), (B, C, F), (B, T) -> (B, T), the prediction."""


def q_sample(clean: Tensor, noise_level: Tensor, noise: Tensor) -> Tensor:
    """Add noise to a clean waveform in one jump.

    Args:
        clean: (B, T), x_0.
        noise_level: (B,), sqrt(alpha_bar) in (0, 1].
        noise: (B, T), standard normal.

    Returns:
        (B, T), x_t. Reference: Ho et al. 2020, eq. 4.
    """
    alpha, sigma = _coefficients(noise_level)
    return alpha * clean + sigma * noise


def training_target(
    clean: Tensor, noise_level: Tensor, noise: Tensor, parametrisation: Parametrisation
) -> Tensor:
    """(B, T): what the network should predict from `q_sample(clean, noise_level, noise)`."""
    if parametrisation == "x0":
        return clean
    if parametrisation == "eps":
        return noise
    alpha, sigma = _coefficients(noise_level)
    return alpha * noise - sigma * clean


def to_x0(
    prediction: Tensor, noisy: Tensor, noise_level: Tensor, parametrisation: Parametrisation
) -> Tensor:
    """The clean waveform that a prediction implies.

    Args:
        prediction: (B, T), in `parametrisation`.
        noisy: (B, T), the x_t that it was made from.
        noise_level: (B,), sqrt(alpha_bar).

    Returns:
        (B, T). Reference for v: Salimans and Ho 2022, appendix D.
    """
    if parametrisation == "x0":
        return prediction
    alpha, sigma = _coefficients(noise_level)
    if parametrisation == "eps":
        return (noisy - sigma * prediction) / alpha
    return alpha * noisy - sigma * prediction


def to_eps(
    prediction: Tensor, noisy: Tensor, noise_level: Tensor, parametrisation: Parametrisation
) -> Tensor:
    """The noise that a prediction implies; arguments and shapes as for `to_x0`.

    An x0 prediction at level 1 implies none: without noise the quotient is undefined.
    """
    if parametrisation == "eps":
        return prediction
    alpha, sigma = _coefficients(noise_level)
    if parametrisation == "x0":
        return (noisy - alpha * prediction) / sigma
    return sigma * noisy + alpha * prediction


def reverse_mean(noisy: Tensor, x0: Tensor, schedule: NoiseSchedule, step: int) -> Tensor:
    """The mean of one reverse step, from `noise_levels[step]` to `noise_levels[step + 1]`.

    The step is a Gaussian; its standard deviation is `posterior_std[step]`.

    Args:
        noisy: (B, T), x at level `step`.
        x0: (B, T), the network's estimate of the clean waveform.
        step: 0 for the noisiest.

    Returns:
        (B, T). Reference: Song et al. 2021 (DDIM), eq. 12 and 16; eta = 1 is the DDPM posterior.
    """
    alpha, sigma = schedule.alpha, schedule.sigma
    std = float(schedule.posterior_std[step])
    mean = float(alpha[step + 1]) * x0
    kept = math.sqrt(max(0.0, float(sigma[step + 1]) ** 2 - std**2))
    if kept == 0:  # as after the last step
        return mean
    eps = (noisy - float(alpha[step]) * x0) / float(sigma[step])
    return mean + kept * eps


def sample(
    denoise: Denoise,
    schedule: NoiseSchedule,
    conditioning: Tensor,
    source: Tensor,
    noise: Tensor,
    parametrisation: Parametrisation = "x0",
    clip: float | None = None,
) -> Tensor:
    """Run the reverse chain from pure noise to a waveform.

    Args:
        conditioning: (B, C, F).
        source: (B, T), harmonic source.
        noise: (K, B, T), standard normal, K = `schedule.noise_count`: the start, then one for
            each stochastic reverse step.
        parametrisation: what `denoise` returns.
        clip: bound on |x0| at each step; None for no bound.

    Returns:
        (B, T), x at the schedule's last level.

    Raises:
        InputError: `noise` has a different K.
    """
    if noise.shape[0] != schedule.noise_count:
        raise InputError(
            f"noise has {noise.shape[0]} rows; {schedule.name} with {schedule.steps} steps and "
            f"eta {schedule.eta} takes {schedule.noise_count}"
        )
    x = noise[0]
    for step in range(schedule.steps):
        level = torch.tensor([float(schedule.noise_levels[step])], device=x.device)  # for every row
        prediction = denoise(x, level, conditioning, source)
        x = chain_step(x, prediction, noise, schedule, step, parametrisation, clip)
    return x


def chain_step(
    noisy: Tensor,
    prediction: Tensor,
    noise: Tensor,
    schedule: NoiseSchedule,
    step: int,
    parametrisation: Parametrisation,
    clip: float | None = None,
) -> Tensor:
    """One reverse step from the network's prediction, noise included; arguments as for `sample`.

    Returns:
        (B, T), x at the next level.
    """
    mean = step_mean(noisy, prediction, schedule, step, parametrisation, clip)
    row = schedule.noise_row(step)
    return mean if row is None else mean + float(schedule.posterior_std[step]) * noise[row]


def step_mean(
    noisy: Tensor,
    prediction: Tensor,
    schedule: NoiseSchedule,
    step: int,
    parametrisation: Parametrisation,
    clip: float | None = None,
) -> Tensor:
    """The mean of a reverse step, from the network's prediction.

    Args:
        noisy: (B, T), x at level `step`.
        prediction: (B, T), in `parametrisation`.
        step: 0 for the noisiest.
        clip: bound on |x0|; None for no bound.

    Returns:
        (B, T), mean of x at the next level.
    """
    level = torch.tensor([float(schedule.noise_levels[step])], device=noisy.device)
    x0 = to_x0(prediction, noisy, level, parametrisation)
    if (gain := schedule.gain(step)) != 1:
        x0 = gain * x0
    if clip is not None:
        x0 = x0.clamp(-clip, clip)
    return reverse_mean(noisy, x0, schedule, step)


def _coefficients(noise_level: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) -> alpha and sigma, (B, 1) each."""
    alpha = noise_level[:, None]
    return alpha, ((1 - alpha) * (1 + alpha)).sqrt()  # 1 - alpha^2 loses precision near 1
