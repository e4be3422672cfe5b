"""The toy judge: its measure is a slope, its optimum is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlpo.config import TuningConfig, from_dict
from dlpo.errors import TrainingError
from dlpo.judges.judge import Waveform
from dlpo.rl.methods import Objective
from dlpo.rl.plan import Plan
from dlpo.rl.rewards.reward import Speech
from dlpo.rl.rewards.tilt import SpectralTilt, spectral_tilt_db
from dlpo_bench.toy_judge import run

RATE = 22_050  # Hz


def noise(slope_db: float, samples: int = 4 * RATE) -> Waveform:
    """Noise whose power density falls or rises by so many decibels an octave."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum[1:] *= (hertz[1:] / 1_000) ** (slope_db / (20 * np.log10(2)))
    return (0.01 * np.fft.irfft(spectrum, samples)).astype(np.float32)


@pytest.mark.parametrize("slope_db", [-9.0, -3.0, 0.0, 3.0])
def test_tilt_is_the_slope_of_third_octaves_which_widen_by_3_db_an_octave(slope_db: float) -> None:
    tilt = spectral_tilt_db(noise(slope_db), RATE)
    assert tilt == pytest.approx(slope_db + 10 * np.log10(2), abs=0.15)


def test_level_and_silence_around_it_do_not_change_the_tilt() -> None:
    some = noise(-6.0)
    louder = np.concatenate([np.zeros(RATE, np.float32), 7 * some, np.zeros(RATE, np.float32)])
    assert spectral_tilt_db(louder, RATE) == pytest.approx(spectral_tilt_db(some, RATE), abs=0.1)


def test_silence_has_no_tilt() -> None:
    assert spectral_tilt_db(np.zeros(RATE, np.float32), RATE) == pytest.approx(0.0)


def test_reward_is_0_at_the_texts_own_target_and_falls_with_the_distance_to_either_side() -> None:
    heard = noise(-6.0)
    own = spectral_tilt_db(heard, RATE)
    targets = {"here": own, "above": own + 2, "below": own - 2}
    keys = [(0, 0, i, 0) for i in range(3)]
    judged = SpectralTilt(targets.__getitem__).judge(Speech([heard] * 3, list(targets), RATE, keys))
    assert judged.scores == pytest.approx([0.0, -2.0, -2.0])
    assert list(judged.parts) == ["spectral_tilt"]


def test_a_target_that_is_no_number_is_refused() -> None:
    reward = SpectralTilt(lambda text: float("nan"))
    with pytest.raises(TrainingError, match="spectral_tilt gave nan for 'hiss'"):
        reward.judge(Speech([noise(0.0)], ["hiss"], RATE, [(0, 0, 0, 0)]))


@pytest.mark.full
def test_dlpo_reaches_most_of_the_possible_gain_on_sentences_that_it_never_said(
    tuning: Any,
) -> None:
    settings = tuning.settings() | {
        "updates": 60, "sentences": 4, "group": 8, "rows": 8, "learning_rate": 4e-3, "warm_up": 1,
        "ema_decay": 0.5, "log_every": 60, "validate_every": 60, "save_every": 60,
        "validation_sentences": 1,
    }  # fmt: skip
    curve = run(
        tuning.checkpoint, tuning.data, tuning.out / "run", Plan(Objective("dlpo")),
        from_dict(TuningConfig, settings), more_db=1.0, goal=0.8, every=5,
    )  # fmt: skip
    assert curve[0].gain < 0.8
    assert curve[-1].gain >= 0.8
    assert curve[-1].update < 60
