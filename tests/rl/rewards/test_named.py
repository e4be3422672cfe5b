"""Rewards by name: what a command line may say, and what it is told when it may not."""

from __future__ import annotations

import pytest

from dlpo.errors import ConfigError
from dlpo.rl.rewards.named import RewardSources, build_reward, parse_weights


def test_names_with_and_without_weights_are_read() -> None:
    assert parse_weights("distillmos") == {"distillmos": 1.0}
    assert parse_weights("distillmos=1, words = 0.5") == {"distillmos": 1.0, "words": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mos", "'mos' is unknown; expected some of distillmos, dnsmos"),
        ("", "'' is unknown"),
        ("words,words=2", "'words' is given twice"),
        ("words=much", "weight of words is 'much'"),
        ("words=", "weight of words is ''"),
    ],
)
def test_what_is_no_list_of_rewards_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_weights(text)


def test_a_sum_is_built_from_names() -> None:
    sources = RewardSources(level_db=-22.0, high_band_db=-25.0)
    reward = build_reward({"words": 0.5, "loudness": 0.1, "high_band": 0.1}, sources)
    assert reward.weights == {"words": 0.5, "loudness": 0.1, "high_band": 0.1}
    assert [part.name for part in reward.rewards] == ["words", "loudness", "high_band"]


@pytest.mark.parametrize("name", ["dnsmos", "nisqa", "nisqa_tts", "utmos", "loudness", "high_band"])
def test_a_reward_says_what_it_is_made_from(name: str) -> None:
    with pytest.raises(ConfigError, match=f"reward {name} needs"):
        build_reward({name: 1.0}, RewardSources())
