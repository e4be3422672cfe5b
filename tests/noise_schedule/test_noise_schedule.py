"""Schedules against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.errors import ConfigError
from dlpo.noise_schedule import SCHEDULES, NoiseSchedule, from_betas, named_schedule

NAMES = [*SCHEDULES, "cosine:0.5", "cosine:2", "logarithmic:0.0001:0.99"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", range(1, 9))
def test_every_schedule_runs_from_noise_to_clean(name: str, steps: int) -> None:
    schedule = named_schedule(name, steps, eta=1.0)
    assert schedule.steps == steps
    assert schedule.noise_levels[0] < 0.35  # real noise: below -8 dB SNR
    assert schedule.noise_levels[-1] > 0.9999


def test_levels_of_betas_are_the_running_product() -> None:
    betas = np.array([0.1, 0.2, 0.5])
    expected = [np.sqrt(0.9 * 0.8 * 0.5), np.sqrt(0.9 * 0.8), np.sqrt(0.9), 1.0]
    assert from_betas(betas) == pytest.approx(expected)


def test_thousand_linear_steps_are_the_published_chain() -> None:
    levels = named_schedule("linear", 1000).noise_levels
    assert levels[0] == pytest.approx(0.0814, abs=1e-4)  # reference/papers.md 2.3
    assert levels[-2] == pytest.approx(np.sqrt(1 - 1e-6))


def test_ancestral_noise_is_the_ddpm_posterior() -> None:
    betas = np.linspace(1e-4, 0.05, 50)
    schedule = NoiseSchedule("test", from_betas(betas), eta=1.0)
    bar = np.concatenate([[1.0], np.cumprod(1 - betas)])
    posterior = np.sqrt((1 - bar[:-1]) / (1 - bar[1:]) * betas)[::-1]
    assert schedule.posterior_std == pytest.approx(posterior)
    half = NoiseSchedule("test", from_betas(betas), eta=0.5)
    assert half.posterior_std == pytest.approx(posterior / 2)


def test_noise_is_drawn_for_the_start_and_each_noisy_step() -> None:
    assert named_schedule("cosine", 6, eta=0.0).noise_count == 1
    assert named_schedule("cosine", 6, eta=1.0).noise_count == 6
    assert named_schedule("cosine", 1, eta=1.0).noise_count == 1


def test_betas_of_a_logarithmic_chain_rise_in_equal_ratios() -> None:
    levels = named_schedule("logarithmic:0.001:0.8", 4).noise_levels
    betas = 1 - (levels[:-1] / levels[1:]) ** 2
    assert betas == pytest.approx(np.geomspace(0.8, 0.001, 4))


def test_a_warp_moves_steps_towards_the_clean_end() -> None:
    assert named_schedule("cosine:1", 4).noise_levels == pytest.approx(
        named_schedule("cosine", 4).noise_levels
    )
    assert np.all(
        named_schedule("cosine:2", 4).noise_levels[1:-1]
        > named_schedule("cosine", 4).noise_levels[1:-1]
    )


@pytest.mark.parametrize(
    "name",
    [
        "sine",
        "",
        "cosine:",
        "cosine:x",
        "cosine:9",
        "linear:2",
        "logarithmic:0.1",
        "logarithmic:0.9:0.1",
        "logarithmic:0:0.9",
        "logarithmic:x:0.9",
        "logarithmic:0.1:1",
        "@2",
    ],
)
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="noise schedule"):
        named_schedule(name, 4)


def test_gains_of_the_first_steps_follow_the_levels() -> None:
    schedule = named_schedule("logarithmic:0.001:0.8@2.4,1.5", 4, 0.5)
    plain = named_schedule("logarithmic:0.001:0.8", 4, 0.5)
    assert [schedule.gain(step) for step in range(4)] == [2.4, 1.5, 1, 1]
    assert schedule.noise_levels.tolist() == plain.noise_levels.tolist()
    assert [plain.gain(step) for step in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("gains", ["x", "0", "nan", "99", "2,", "1,1,1,1,1"])
def test_impossible_gains_are_refused(gains: str) -> None:
    with pytest.raises(ConfigError, match="gains are"):
        named_schedule(f"cosine:1.25@{gains}", 4)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_step_counts_are_refused(steps: int) -> None:
    with pytest.raises(ConfigError, match=f"steps is {steps}"):
        named_schedule("cosine", steps)


@pytest.mark.parametrize(
    ("levels", "eta"),
    [
        ([0.5, 0.4], 0.0),  # falling
        ([0.0, 1.0], 0.0),  # no signal at all
        ([0.5, 1.1], 0.0),
        ([0.5, float("nan")], 0.0),
        ([1.0], 0.0),
        ([0.1, 1.0], 1.5),
        ([0.1, 1.0], float("nan")),
    ],
)
def test_impossible_schedules_are_refused(levels: list[float], eta: float) -> None:
    with pytest.raises(ConfigError):
        NoiseSchedule("test", np.array(levels), eta)
