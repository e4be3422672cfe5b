"""The guard: limits are limits, and the best is whom the held-out judges like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlpo.config import TuningConfig, from_dict, to_dict
from dlpo.errors import ConfigError
from dlpo.rl.divergence import Panel, divergence, gain

BASE = Panel(
    held_out={"NISQA": 3.5, "DNSMOS": 3.7},
    spreads={"NISQA": 0.5, "DNSMOS": 0.1, "DistillMOS": 0.4, "loudness": 0.0},
    rewards={"DistillMOS": 3.2, "loudness": 0.0},
    word_error_rate=0.20,
    kl=0.0,
    diffusion=0.13,
    level_db=-23.0,
    high_band_db=-12.0,
)
LIMITS = TuningConfig(kl_limit=0.01, judge_margin=0.1, words_margin=0.02)


def judged(nisqa: float, dnsmos: float) -> Panel:
    return replace(BASE, held_out={"NISQA": nisqa, "DNSMOS": dnsmos})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BASE, None),
        (replace(BASE, kl=0.01), None),
        (replace(BASE, kl=0.02), "the KL to the untuned voice is 0.0200, limit 0.01"),
        (judged(3.41, 3.7), None),
        (judged(3.3, 3.9), "NISQA, held out, fell by 0.200 to 3.300, margin 0.1"),
        (replace(BASE, word_error_rate=0.21), None),
        (replace(BASE, word_error_rate=0.25), "word errors rose by 0.050 to 0.250, margin 0.02"),
        (replace(BASE, word_error_rate=None), None),
        (replace(BASE, rewards={"DistillMOS": 1.0, "loudness": -9.0}), None),
        (replace(BASE, kl=float("nan")), "the KL to the untuned voice is nan, limit 0.01"),
    ],
)
def test_a_limit_is_named_with_its_excess(now: Panel, said: str | None) -> None:
    assert divergence(BASE, now, LIMITS) == said


def test_all_limits_that_are_passed_are_named() -> None:
    now = replace(judged(3.0, 3.0), kl=1.0, word_error_rate=0.5)
    said = divergence(BASE, now, LIMITS)
    assert said is not None
    assert len(said.split("; ")) == 4


def test_gain_counts_each_judge_in_its_own_spread() -> None:
    assert gain(BASE, BASE) == 0
    assert gain(BASE, judged(3.6, 3.72)) == pytest.approx((0.1 / 0.5 + 0.02 / 0.1) / 2)
    assert gain(BASE, judged(4.0, 3.6)) == pytest.approx(0.0)


def test_with_nobody_held_out_the_reward_decides() -> None:
    alone = replace(BASE, held_out={})
    louder = replace(alone, rewards={"DistillMOS": 3.4, "loudness": -0.5})
    assert gain(alone, louder) == pytest.approx((0.2 / 0.4 - 0.5) / 2)  # a guard at rest: decibels


def test_a_panel_goes_through_json_unchanged() -> None:
    assert from_dict(Panel, to_dict(BASE)) == BASE


@pytest.mark.parametrize(
    "values",
    [
        {"updates": 0}, {"group": 0}, {"learning_rate": 0.0}, {"ema_decay": 1.0}, {"seed": -1},
        {"kl_limit": 0.0}, {"judge_margin": float("nan")}, {"gradient_clip": -1.0},
        {"longest_s": 0.0}, {"window_batch": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        TuningConfig(**values)  # type: ignore[arg-type]


def test_the_learning_rate_rises_and_stays() -> None:
    settings = TuningConfig(learning_rate=1e-4, warm_up=4)
    assert [settings.rate(k) for k in (0, 1, 3, 100)] == pytest.approx([2.5e-5, 5e-5, 1e-4, 1e-4])
