"""Noise levels of the reverse chain: the single source of all diffusion coefficients.

    alpha = sqrt(alpha_bar)      how much of the signal is left     (the "noise level" of WaveGrad)
    sigma = sqrt(1 - alpha_bar)  standard deviation of the noise
    x_t   = alpha x_0 + sigma eps

A reverse step goes from level k to level k+1 (DDIM with eta; Song et al. 2021, eq. 12 and 16):

    x_{k+1} = alpha_{k+1} x0_hat + sqrt(sigma_{k+1}^2 - std_k^2) eps_hat + std_k z
    std_k   = eta sigma_{k+1}/sigma_k sqrt(1 - alpha_k^2/alpha_{k+1}^2)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import ConfigError

Levels = NDArray[np.float64]
MAX_STEPS = 1000


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The levels that a reverse chain visits, from the noisiest to the output."""

    name: str
    """where the levels come from; a key of `SCHEDULES`, or the name of a searched schedule"""
    noise_levels: Levels
    """(N + 1,) float64, sqrt(alpha_bar), strictly increasing in (0, 1]; the last is the output"""
    eta: float = 0.0
    """0 = deterministic (DDIM) ... 1 = ancestral (DDPM)"""
    gains: tuple[float, ...] = ()
    """of x0_hat in the first steps, 1 in the others; 2 where it has half of speech's amplitude"""

    def __post_init__(self) -> None:
        levels = self.noise_levels
        if levels.ndim != 1 or len(levels) < 2:
            raise ConfigError(
                f"noise_levels has shape {levels.shape}; expected (N + 1,) with N >= 1"
            )
        if not (levels[0] > 0 and levels[-1] <= 1 and bool(np.all(np.diff(levels) > 0))):
            raise ConfigError(
                f"noise_levels {levels} must rise strictly within (0, 1], noisiest first"
            )
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"eta is {self.eta}; expected 0 (DDIM) to 1 (ancestral)")
        if len(self.gains) > self.steps or not all(0.1 <= gain <= 10 for gain in self.gains):
            raise ConfigError(
                f"gains are {self.gains}; expected at most {self.steps}, one a step, of 0.1 to 10"
            )

    @property
    def steps(self) -> int:
        """N, the number of reverse steps."""
        return len(self.noise_levels) - 1

    @property
    def alpha(self) -> Levels:
        """(N + 1,) float64, sqrt(alpha_bar)."""
        return self.noise_levels

    @cached_property
    def sigma(self) -> Levels:
        """(N + 1,) float64, sqrt(1 - alpha_bar)."""
        return np.sqrt(np.maximum(0.0, 1 - self.noise_levels**2))

    @cached_property
    def posterior_std(self) -> Levels:
        """(N,) float64: the standard deviation of the noise that each reverse step adds."""
        alpha, sigma = self.alpha, self.sigma
        fresh = np.sqrt(np.maximum(0.0, 1 - (alpha[:-1] / alpha[1:]) ** 2))
        return self.eta * sigma[1:] / sigma[:-1] * fresh

    def gain(self, step: int) -> float:
        """The factor on a step's estimate of the clean waveform."""
        return self.gains[step] if step < len(self.gains) else 1.0

    def noise_row(self, step: int) -> int | None:
        """The noise row that a reverse step adds; None if the step is deterministic."""
        drawn = self.posterior_std > 0
        return 1 + int(drawn[:step].sum()) if drawn[step] else None

    @property
    def noise_count(self) -> int:
        """The number of (T,) noise rows in one chain: the start, and one for each noisy step."""
        return 1 + int(np.count_nonzero(self.posterior_std))


def cosine_level(t: Levels) -> Levels:
    """Diffusion time in [0, 1] -> sqrt(alpha_bar), from almost clean to almost pure noise.

    Reference: Nichol and Dhariwal 2021, eq. 17, kept off both ends so that no level degenerates.
    """
    levels: Levels = np.cos(0.98 * np.pi / 2 * t + 0.01)
    return levels


def cosine(steps: int, warp: float = 1.0) -> Levels:
    """Strides through `spectral`'s training range of diffusion time; the output is exactly clean.

    Args:
        steps: N.
        warp: 1 = equal strides of time; above 1, more of them near the clean end.
    """
    time = np.linspace(1.0, 0.0, steps + 1)[:-1] ** warp
    return np.append(cosine_level(time), 1.0)


def from_betas(betas: NDArray[np.float64]) -> Levels:
    """Betas b_1..b_N of a forward process -> levels from x_N to the clean x_0."""
    alpha_bar = np.concatenate([[1.0], np.cumprod(1 - betas)])
    levels: Levels = np.sqrt(alpha_bar[::-1])
    return levels


def linear(steps: int) -> Levels:
    """The 1000-step chain of WaveGrad 2 (betas 1e-6 to 0.01), visited at `steps` of its levels.

    Reference: Chen et al. 2021; with fewer steps the levels are a subsequence, so that the chain
    still starts from noise (N betas spread over the same range would start at +13 dB SNR).
    """
    full = from_betas(np.linspace(1e-6, 0.01, MAX_STEPS))
    visited: Levels = full[np.round(np.linspace(0, MAX_STEPS, steps + 1)).astype(int)]
    return visited


def logarithmic(steps: int, first: float = 1e-6, last: float = 0.9) -> Levels:
    """Betas in equal ratios from `first` to `last`: most steps near the clean end.

    Reference: the eight-step list of the WaveGrad 2 reproduction, generalized to N.
    """
    return from_betas(np.geomspace(first, last, steps) if steps > 1 else np.array([last]))


SCHEDULES: dict[str, Callable[[int], Levels]] = {
    "cosine": cosine,
    "linear": linear,
    "logarithmic": logarithmic,
}


def named_schedule(name: str, steps: int, eta: float = 0.0) -> NoiseSchedule:
    """The schedule `name` with N = `steps` reverse steps.

    Args:
        name: a key of `SCHEDULES`, or as found by `dlpo schedule`: `cosine:WARP` with a number, or
            `logarithmic:FIRST:LAST` with two betas; then `@GAIN,GAIN,...` of the first steps, if
            their estimates of the waveform are to be scaled.
        steps: N.
        eta: 0 = deterministic to 1 = ancestral.

    Raises:
        ConfigError: no such schedule, steps outside 1..1000, a warp outside 0.2..5, betas that
            don't rise within 0..1, or gains outside 0.1..10 or for more steps.
    """
    levels, _, scaled = name.partition("@")
    gains = tuple(map(_number, scaled.split(","))) if scaled else ()
    return NoiseSchedule(name, _levels(levels, steps), eta, gains)


def _levels(name: str, steps: int) -> Levels:
    """The levels of `named_schedule`, by the name without gains."""
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps is {steps}; expected 1 to {MAX_STEPS}")
    family, *given = name.split(":")
    if family == "cosine" and len(given) == 1:
        return cosine(steps, _warp(name, given[0]))
    if family == "logarithmic" and len(given) == 2:
        return logarithmic(steps, *_betas(name, given))
    if name not in SCHEDULES:
        known = ", ".join(SCHEDULES)
        raise ConfigError(
            f"noise schedule {name!r} is unknown; expected {known}, cosine:WARP or"
            " logarithmic:FIRST:LAST"
        )
    return SCHEDULES[name](steps)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _warp(name: str, parameter: str) -> float:
    warp = _number(parameter)
    if not 0.2 <= warp <= 5:
        raise ConfigError(f"noise schedule {name!r}: the warp must be a number from 0.2 to 5")
    return warp


def _betas(name: str, parameters: list[str]) -> tuple[float, float]:
    first, last = map(_number, parameters)
    if not 0 < first < last < 1:
        raise ConfigError(f"noise schedule {name!r}: expected two betas, 0 < FIRST < LAST < 1")
    return first, last
