"""Augmentation: small, keyed, and the same for all seeds of a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.errors import ConfigError, InputError
from dlpo.judges.judge import Waveform
from dlpo.rl.rewards.augmented import Augmentation, AugmentedReward, augment
from dlpo.rl.rewards.reward import Judged, Speech

RATE = 22_050  # Hz
KEY = (1, 2, 3, 0)
NOTHING = Augmentation(gain_db=0.0, noise_db=None, lowest_rate_hz=RATE)


def tone(hertz: float = 300.0) -> Waveform:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.float32)


def level_db(waveform: Waveform) -> float:
    return float(10 * np.log10(np.mean(waveform.astype(np.float64) ** 2)))


class Remembers:
    name = "remembers"

    def __init__(self) -> None:
        self.heard: list[Waveform] = []

    def judge(self, speech: Speech) -> Judged:
        self.heard = list(speech.waveforms)
        return Judged(np.zeros(len(speech)))


def test_nothing_changes_where_nothing_may() -> None:
    np.testing.assert_array_equal(augment(tone(), RATE, KEY, NOTHING), tone())


def test_a_key_says_all_and_company_nothing() -> None:
    some = Augmentation()
    reward = AugmentedReward(inner := Remembers(), some)
    reward.judge(Speech([tone(), tone()], ["", ""], RATE, [(9, 9, 9, 0), KEY]))
    np.testing.assert_array_equal(inner.heard[1], augment(tone(), RATE, KEY, some))
    assert not np.array_equal(inner.heard[0], inner.heard[1])


def test_gain_stays_within_its_bounds_and_uses_them() -> None:
    gains = [
        level_db(augment(tone(), RATE, (0, 0, i, 0), Augmentation(6.0, None, RATE)))
        - level_db(tone())
        for i in range(100)
    ]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_lies_as_far_below_the_speech_as_asked() -> None:
    changed = augment(tone(), RATE, KEY, Augmentation(0.0, (-40.0, -40.0), RATE))
    assert level_db(changed - tone()) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_resampling_keeps_the_length_and_the_speech() -> None:
    for i in range(5):
        changed = augment(tone(), RATE, (0, 0, i, 0), Augmentation(0.0, None, 16_000))
        assert changed.shape == (RATE,)
        assert changed.dtype == np.float32
        assert level_db((changed - tone())[500:-500]) < level_db(tone()) - 50


def test_resampling_takes_what_lies_above_the_lower_rate() -> None:
    some = [
        level_db(augment(tone(10_500), RATE, (0, 0, i, 0), Augmentation(0.0, None, 16_000)))
        for i in range(20)
    ]
    assert min(some) < level_db(tone(10_500)) - 40


@pytest.mark.parametrize(
    "values",
    [
        {"gain_db": -1.0},
        {"gain_db": 90.0},
        {"noise_db": (-30.0, -40.0)},
        {"noise_db": (-30.0, 3.0)},
        {"lowest_rate_hz": 100},
    ],
)
def test_augmentation_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"Augmentation.{next(iter(values))}"):
        Augmentation(**values)  # type: ignore[arg-type]


def test_what_can_not_be_heard_is_refused() -> None:
    reward = AugmentedReward(Remembers(), Augmentation())
    with pytest.raises(InputError, match="waveform 0 lasts"):
        reward.judge(Speech([np.zeros(3, np.float32)], [""], RATE, [KEY]))
