"""Weighted sums: standardised as numpy would, resumable, and strict about their weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dlpo.errors import ConfigError
from dlpo.judges.judge import Scores
from dlpo.rl.rewards.reward import ClipBatch, Judged
from dlpo.rl.rewards.weighted import WeightedSum


class Listed:
    """A reward that reads its scores from a list of batches."""

    def __init__(self, name: str, *batches: Sequence[float]) -> None:
        self.name, self.batches = name, [np.array(batch, np.float64) for batch in batches]

    def judge(self, speech: ClipBatch) -> Judged:
        scores: Scores = self.batches.pop(0)
        return Judged(scores, {self.name: scores}, {self.name: 1.0})


def clips(count: int) -> ClipBatch:
    silence = np.zeros(10, np.float32)
    return ClipBatch([silence] * count, [""] * count, 22_050, [(0,)] * count)


RANDOM = np.random.default_rng(0)
MOS = [RANDOM.normal(3, 0.2, 5) for _ in range(4)]
WORDS = [RANDOM.normal(0.8, 0.01, 5) for _ in range(4)]


def test_batch_standardisation_equals_numpy() -> None:
    total = WeightedSum(
        [Listed("mos", *MOS), Listed("words", *WORDS)], {"mos": 1.0, "words": 0.5}, "batch"
    )
    for mos, words in zip(MOS, WORDS, strict=True):
        judged = total.judge(clips(5))
        expected = (mos - mos.mean()) / mos.std() + 0.5 * (words - words.mean()) / words.std()
        np.testing.assert_allclose(judged.scores, expected)
        np.testing.assert_array_equal(judged.parts["words"], words)
        assert judged.seconds == {"mos": 1.0, "words": 1.0}


def test_running_standardisation_equals_numpy_over_all_batches_so_far() -> None:
    total = WeightedSum([Listed("mos", *MOS)], {"mos": 2.0}, "running")
    for seen in range(1, 5):
        past = np.concatenate(MOS[:seen])
        expected = 2.0 * (MOS[seen - 1] - past.mean()) / past.std()
        np.testing.assert_allclose(total.judge(clips(5)).scores, expected)


def test_raw_scores_add_up() -> None:
    total = WeightedSum([Listed("a", [1, 2]), Listed("b", [3, 5])], {"a": 1, "b": -2}, "none")
    np.testing.assert_allclose(total.judge(clips(2)).scores, [-5, -8])
    assert total.name == "1 a + -2 b"


@pytest.mark.parametrize("standardisation", ["batch", "running"])
def test_a_guard_at_rest_adds_nothing(standardisation: str) -> None:
    total = WeightedSum(
        [Listed("mos", [1, 3]), Listed("guard", [0, 0])],
        {"mos": 1, "guard": 9},
        standardisation,  # type: ignore[arg-type]
    )
    np.testing.assert_allclose(total.judge(clips(2)).scores, [-1, 1])


def test_a_resumed_sum_goes_on_equal_to_the_bit() -> None:
    whole = WeightedSum([Listed("mos", *MOS)], {"mos": 1.0})
    first = WeightedSum([Listed("mos", *MOS[:2])], {"mos": 1.0})
    for total in (whole, whole, first, first):
        total.judge(clips(5))
    resumed = WeightedSum([Listed("mos", *MOS[2:])], {"mos": 1.0})
    resumed.restore(first.state())
    for _ in range(2):
        np.testing.assert_array_equal(resumed.judge(clips(5)).scores, whole.judge(clips(5)).scores)


def test_state_of_other_rewards_is_refused() -> None:
    total = WeightedSum([Listed("mos")], {"mos": 1.0})
    with pytest.raises(ConfigError, match=r"of rewards \['words'\]; this run has \['mos'\]"):
        total.restore({"words": (1, 0.0, 0.0)})


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
    with pytest.raises(ConfigError):
        WeightedSum([Listed(name) for name in names], weights)
