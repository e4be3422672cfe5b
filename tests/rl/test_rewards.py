"""Rewards: scores and their cost, guards, the weighted sum, and their names on a command line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dlpo.errors import ConfigError, InputError, TrainingError
from dlpo.judges.judge import Scores, Waveform
from dlpo.rl.options import RewardSources
from dlpo.rl.reward_models import build_reward, parse_weights
from dlpo.rl.rewards import (
    ClipBatch,
    MeasuredReward,
    WeightedSum,
    high_band_reward,
    judge_reward,
    word_reward,
)

RATE = 22_050  # Hz
# ---------------------------------------------------------------------- weighted sums
RANDOM = np.random.default_rng(0)
MOS = [RANDOM.normal(3, 0.2, 5) for _ in range(4)]
WORDS = [RANDOM.normal(0.8, 0.01, 5) for _ in range(4)]


class Listed:
    """A judge and a recognizer with fixed answers."""

    name = "listed"
    sample_rate_hz = RATE

    def __init__(self, *answers: float | str) -> None:
        self.answers = answers

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array(self.answers)

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return [str(answer) for answer in self.answers]


def clips(*waveforms: Waveform, texts: Sequence[str] = ("first", "second", "third")) -> ClipBatch:
    waveforms = waveforms or (np.zeros(RATE, np.float32),) * len(texts)
    keys = [(0, 0, i, 0) for i in range(len(waveforms))]
    return ClipBatch(waveforms, texts[: len(waveforms)], RATE, keys)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ((3.0, np.nan, 1.0), "listed gave nan for 'second'.*1 of 3 clips"),
        ((3.0, 2.0, -np.inf), "listed gave -inf for 'third'"),
        ((3.0,), r"shape \(1,\) for 3 clips"),
    ],
)
def test_scores_that_are_missing_or_not_finite_are_refused(
    answers: tuple[float, ...], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        judge_reward(Listed(*answers)).judge(clips())


def test_words_score_one_less_their_error_rate_and_never_below_0() -> None:
    texts = ["one two three four", "one two", "one"]
    reward = word_reward(Listed("one two four", "", "one is too many words"))
    np.testing.assert_allclose(reward.judge(clips(texts=texts)), [0.75, 0.0, 0.0])
    with pytest.raises(InputError, match="has no words"):
        reward.judge(clips(texts=["...", "a", "b"]))


# ---------------------------------------------------------------------- guards
def tone(hertz: float, amplitude: float) -> Waveform:
    at = np.arange(RATE) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


DULL = tone(500, 0.1)


@pytest.mark.parametrize(("bright", "expected"), [(0.01, 0.0), (0.1, -(20 - 3.01 - 3.0))])
def test_excess_brightness_costs_its_decibels(bright: float, expected: float) -> None:
    found = high_band_reward(-20.0).judge(clips(DULL + tone(6000, bright)))
    assert found == pytest.approx([expected], abs=0.2)


@pytest.mark.parametrize("bad", [np.zeros(10, np.float32), np.full(RATE, np.nan, np.float32)])
def test_brightness_of_unusable_clips_is_refused(bad: Waveform) -> None:
    with pytest.raises(InputError, match="waveform 0"):
        high_band_reward(-20.0).judge(clips(bad))


def weighted(**weights: float) -> WeightedSum:
    rewards = [MeasuredReward(name, lambda clips: np.zeros(len(clips))) for name in weights]
    return WeightedSum(rewards, weights)


def test_standardised_scores_equal_numpy_over_all_batches_so_far() -> None:
    total = weighted(mos=2.0, words=-0.5)
    for seen, (mos, words) in enumerate(zip(MOS, WORDS, strict=True), 1):
        past, said = np.concatenate(MOS[:seen]), np.concatenate(WORDS[:seen])
        expected = 2.0 * (mos - past.mean()) / past.std() - 0.5 * (words - said.mean()) / said.std()
        np.testing.assert_allclose(total.total({"mos": mos, "words": words}), expected)


def test_an_inactive_guard_adds_nothing() -> None:
    inactive = {"mos": np.array([1.0, 3.0]), "guard": np.zeros(2)}
    np.testing.assert_allclose(weighted(mos=1, guard=9).total(inactive), [-1, 1])


def test_a_resumed_sum_continues_to_the_bit() -> None:
    whole, first, resumed = (weighted(mos=1.0) for _ in range(3))
    for mos in MOS[:2]:
        whole.total({"mos": mos})
        first.total({"mos": mos})
    resumed.restore(first.state())
    for mos in MOS[2:]:
        np.testing.assert_array_equal(resumed.total({"mos": mos}), whole.total({"mos": mos}))
    with pytest.raises(ConfigError, match=r"has rewards \['words'\]; this run has \['mos'\]"):
        whole.restore({"words": (1, 0.0, 0.0)})


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["mos", "words"], {}), (["mos", "words"], {"mos": 1.0}), ([], {}),
        (["mos"], {"mos": 1.0, "words": 1.0}), (["mos", "mos"], {"mos": 1.0}),
        (["mos"], {"mos": 0.0}), (["mos"], {"mos": float("nan")}),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_the_rewards_are_refused(
    names: list[str], weights: dict[str, float]
) -> None:
    rewards = [MeasuredReward(name, lambda clips: np.zeros(len(clips))) for name in names]
    with pytest.raises(ConfigError):
        WeightedSum(rewards, weights)


# ---------------------------------------------------------------------- by name
def test_names_with_and_without_weights_are_read() -> None:
    assert parse_weights("distillmos") == {"distillmos": 1.0}
    assert parse_weights("distillmos=1, words = 0.5") == {"distillmos": 1.0, "words": 0.5}
    for wrong in ("mos", "", "words,words=2", "words=much", "words="):
        with pytest.raises(ConfigError):
            parse_weights(wrong)


def test_a_sum_is_built_from_names_and_their_sources() -> None:
    sources = RewardSources(high_band_db=-25.0)
    reward = build_reward({"words": 0.5, "high_band": 0.1}, sources)
    assert reward.weights == {"words": 0.5, "high_band": 0.1}
    assert [part.name for part in reward.rewards] == ["words", "high_band"]
    for name in ("nisqa", "nisqa_tts", "utmos", "high_band"):
        with pytest.raises(ConfigError, match=f"reward {name} needs"):
            build_reward({name: 1.0}, RewardSources(models=None))
