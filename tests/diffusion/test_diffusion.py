"""The diffusion maths against closed forms, torch.distributions and a chain with a known answer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dlpo.config import Parametrisation
from dlpo.diffusion import (
    q_sample,
    reverse_mean,
    sample,
    step_mean,
    to_eps,
    to_x0,
    training_target,
)
from dlpo.errors import InputError
from dlpo.noise_schedule import NoiseSchedule, named_schedule

PARAMETRISATIONS: tuple[Parametrisation, ...] = ("x0", "eps", "v")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def double(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_noised_waveform_has_the_variance_of_its_level(generator: torch.Generator) -> None:
    level = torch.tensor([0.1, 0.6, 0.99], dtype=torch.float64)
    noisy = q_sample(
        torch.full((3, 200_000), 0.5, dtype=torch.float64),
        level,
        double(3, 200_000, generator=generator),
    )
    torch.testing.assert_close(noisy.mean(-1), 0.5 * level, atol=0.01, rtol=0)
    torch.testing.assert_close(noisy.var(-1), 1 - level**2, atol=0.01, rtol=0)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_perfect_prediction_gives_back_clean_and_noise(
    parametrisation: Parametrisation, generator: torch.Generator
) -> None:
    clean, noise = double(4, 50, generator=generator), double(4, 50, generator=generator)
    level = torch.tensor([0.05, 0.3, 0.7, 0.999], dtype=torch.float64)
    noisy = q_sample(clean, level, noise)
    prediction = training_target(clean, level, noise, parametrisation)
    torch.testing.assert_close(to_x0(prediction, noisy, level, parametrisation), clean)
    torch.testing.assert_close(to_eps(prediction, noisy, level, parametrisation), noise)


def test_v_is_the_velocity_on_the_circle_of_levels(generator: torch.Generator) -> None:
    # x_t = cos(angle) x_0 + sin(angle) eps, so v = dx_t / d angle
    clean, noise = double(1, 9, generator=generator), double(1, 9, generator=generator)
    angle = torch.tensor([0.4], dtype=torch.float64)
    ahead, behind = (q_sample(clean, (angle + h).cos(), noise) for h in (1e-5, -1e-5))
    velocity = (ahead - behind) / 2e-5
    torch.testing.assert_close(training_target(clean, angle.cos(), noise, "v"), velocity)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_reverse_step_keeps_the_marginal_when_x0_is_known(
    eta: float, generator: torch.Generator
) -> None:
    # DDIM is made so that q(x_{k+1} | x_0) keeps mean alpha' x_0 and variance sigma'^2.
    schedule = named_schedule("cosine", 4, eta)
    clean = torch.full((1, 400_000), 0.7, dtype=torch.float64)
    noise = double(2, 1, 400_000, generator=generator)
    level = torch.tensor([schedule.noise_levels[1]])
    std = schedule.posterior_std[1]
    mean = reverse_mean(q_sample(clean, level, noise[0]), clean, schedule, step=1)
    after = mean + std * noise[1]
    assert after.mean().item() == pytest.approx(0.7 * schedule.alpha[2], abs=0.01)
    assert after.var().item() == pytest.approx(schedule.sigma[2] ** 2, abs=0.01)


def test_eta_one_is_the_posterior_of_ddpm(generator: torch.Generator) -> None:
    # Bayes: q(x_{t-1} | x_t, x_0) from the product of two Gaussians.
    schedule = named_schedule("linear", 10, 1.0)
    noisy, clean = double(2, 20, generator=generator), double(2, 20, generator=generator)
    step = 4
    std = schedule.posterior_std[step]
    mean = reverse_mean(noisy, clean, schedule, step)
    now, before = schedule.alpha[step] ** 2, schedule.alpha[step + 1] ** 2
    kept = now / before  # 1 - beta
    precision = kept / (1 - kept) + 1 / (1 - before)
    expected = (noisy * math.sqrt(kept) / (1 - kept) + clean * math.sqrt(before) / (1 - before)) / (
        precision
    )
    torch.testing.assert_close(mean, expected)
    assert std == pytest.approx(math.sqrt(1 / precision))


class GaussianPosterior:
    """The exact denoiser of data N(0, s^2): x0 = alpha s^2 / (alpha^2 s^2 + sigma^2) x_t."""

    def __init__(self, s: float) -> None:
        self.variance = s * s

    def __call__(
        self, noisy: Tensor, level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        alpha = level[:, None]
        return alpha * self.variance / (alpha**2 * self.variance + 1 - alpha**2) * noisy


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_long_chain_samples_the_data_distribution(eta: float, generator: torch.Generator) -> None:
    schedule = named_schedule("cosine", 200, eta)
    noise = torch.randn(schedule.noise_count, 1, 20_000, generator=generator)
    empty = torch.zeros(1, 1, 1)
    out = sample(GaussianPosterior(0.3), schedule, empty, empty, noise)
    assert out.std().item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("eta", [0.0, 0.5])
@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_perfect_network_ends_at_the_clean_waveform(
    eta: float, parametrisation: Parametrisation, generator: torch.Generator
) -> None:
    clean = torch.rand(2, 600, generator=generator) - 0.5

    def knows(noisy: Tensor, level: Tensor, conditioning: Tensor, source: Tensor) -> Tensor:
        eps = to_eps(clean, noisy, level, "x0")
        return training_target(clean, level, eps, parametrisation)

    schedule = named_schedule("cosine", 5, eta)
    noise = torch.randn(schedule.noise_count, 2, 600, generator=generator)
    empty = torch.zeros(2, 1, 2)
    out = sample(knows, schedule, empty, empty, noise, parametrisation)
    torch.testing.assert_close(out, clean, atol=1e-4, rtol=0)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_gains_scale_the_estimate_of_each_step(
    parametrisation: Parametrisation, generator: torch.Generator
) -> None:
    # Without eta a step is linear: of an estimate that is c x, x becomes (a' g c + s' (1 - a g c)
    # / s) x, by DDIM's eq. 12.
    share, gains = 0.3, (2.4, 1.5, 1.0)
    schedule = named_schedule("cosine@2.4,1.5", 3)
    alpha, sigma = schedule.alpha, schedule.sigma
    factor = 1.0
    for k, gain in enumerate(gains):
        told = gain * share
        factor *= alpha[k + 1] * told + sigma[k + 1] * (1 - alpha[k] * told) / sigma[k]

    def linear(noisy: Tensor, level: Tensor, conditioning: Tensor, source: Tensor) -> Tensor:
        eps = to_eps(share * noisy, noisy, level, "x0")
        return training_target(share * noisy, level, eps, parametrisation)

    noise = double(1, 2, 300, generator=generator)
    empty = torch.zeros(2, 1, 1)
    out = sample(linear, schedule, empty, empty, noise, parametrisation)
    torch.testing.assert_close(out, factor * noise[0], atol=1e-6, rtol=1e-5)


def test_a_gain_counts_before_the_clip() -> None:
    schedule = named_schedule("cosine@4", 2)
    noise = torch.zeros(1, 1, 300)
    empty = torch.zeros(1, 1, 1)
    estimate = torch.full((1, 300), 0.5)
    out = sample(lambda *_: estimate, schedule, empty, empty, noise, clip=0.8)
    torch.testing.assert_close(out, estimate)  # that of the last step
    first = step_mean(noise[0], estimate, schedule, 0, "x0", clip=0.8)
    torch.testing.assert_close(first, reverse_mean(noise[0], estimate * 1.6, schedule, 0))


def test_clip_bounds_the_output(generator: torch.Generator) -> None:
    schedule = named_schedule("cosine", 2)
    noise = torch.randn(1, 1, 300, generator=generator)
    empty = torch.zeros(1, 1, 1)
    out = sample(lambda x, *_: 9 * x, schedule, empty, empty, noise, clip=0.8)
    assert out.abs().max().item() == pytest.approx(0.8)


def test_chain_is_the_same_with_each_row_of_the_batch_alone(generator: torch.Generator) -> None:
    schedule = named_schedule("cosine", 3, 1.0)
    noise = torch.randn(schedule.noise_count, 2, 300, generator=generator)
    empty = torch.zeros(2, 1, 1)
    both = sample(GaussianPosterior(0.5), schedule, empty, empty, noise)
    second = sample(GaussianPosterior(0.5), schedule, empty[1:], empty[1:], noise[:, 1:])
    torch.testing.assert_close(both[1:], second)


def test_wrong_count_of_noise_rows_is_refused() -> None:
    schedule = NoiseSchedule("test", named_schedule("cosine", 3).noise_levels, 1.0)
    empty = torch.zeros(1, 1, 1)
    with pytest.raises(InputError, match=r"noise has 4 rows.*takes 3"):
        sample(GaussianPosterior(1.0), schedule, empty, empty, torch.zeros(4, 1, 300))
