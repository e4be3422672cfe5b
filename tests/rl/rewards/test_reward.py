"""Judges and words as rewards: their scores, their cost, and what they must not hide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dlpo.errors import InputError, TrainingError
from dlpo.judges.judge import Scores, Waveform
from dlpo.rl.rewards.reward import ClipBatch, Clock, JudgeReward, WordErrorReward

RATE = 22_050  # Hz


class Peak:
    """A judge that likes a loud peak."""

    name = "peak"
    sample_rate_hz = RATE

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([float(np.abs(waveform).max()) for waveform in waveforms])


class Hears:
    """A recogniser that hears what it was told to."""

    name = "hears"

    def __init__(self, *heard: str) -> None:
        self.heard = list(heard)

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return self.heard


def speech(*levels: float, texts: Sequence[str] | None = None) -> ClipBatch:
    waveforms = [np.full(RATE // 2, level, np.float32) for level in levels]
    return ClipBatch(
        waveforms, texts or ["hum"] * len(levels), RATE, [(0, 0, i, 0) for i in range(len(levels))]
    )


def ticking(*seconds: float) -> Clock:
    moments = iter(seconds)
    return lambda: next(moments)


def test_a_judge_gives_its_scores_and_says_what_they_cost() -> None:
    judged = JudgeReward(Peak(), ticking(10.0, 12.5)).judge(speech(0.1, 0.7))
    np.testing.assert_allclose(judged.scores, [0.1, 0.7], rtol=1e-6)
    assert judged.scores.dtype == np.float64
    assert judged.seconds == {"peak": 2.5}
    np.testing.assert_array_equal(judged.parts["peak"], judged.scores)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_judge_without_an_answer_names_the_sentence(bad: float) -> None:
    class Broken(Peak):
        def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
            return np.array([3.0, bad])

    with pytest.raises(TrainingError, match=r"peak gave (nan|-inf) for 'second'.*1 of 2 clips"):
        JudgeReward(Broken()).judge(speech(0.1, 0.2, texts=["first", "second"]))


def test_a_judge_that_skips_a_clip_is_noticed() -> None:
    class Skips(Peak):
        def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
            return np.zeros(1)

    with pytest.raises(TrainingError, match=r"shape \(1,\) for 2 clips"):
        JudgeReward(Skips()).judge(speech(0.1, 0.2))


def test_words_are_worth_what_is_heard_of_them() -> None:
    texts = ["one two three four", "one two", "one"]
    reward = WordErrorReward(Hears("one two four", "", "one is too many words"), ticking(0.0, 1.0))
    judged = reward.judge(speech(0.1, 0.1, 0.1, texts=texts))
    np.testing.assert_allclose(judged.scores, [0.75, 0.0, 0.0])  # never below 0
    assert judged.seconds == {"words": 1.0}


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(InputError, match="has no words"):
        WordErrorReward(Hears("hm")).judge(speech(0.1, texts=["..."]))


def test_speech_without_a_text_for_each_clip_is_refused() -> None:
    with pytest.raises(InputError, match="1 waveforms, 2 texts and 1 keys"):
        ClipBatch([np.zeros(9, np.float32)], ["a", "b"], RATE, [(0,)])
