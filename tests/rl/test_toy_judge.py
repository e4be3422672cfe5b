"""The toy judge of research/: a method reaches the optimum, which is known."""

from __future__ import annotations

from typing import Any

import pytest

from dlpo.config import TuningConfig, from_dict
from dlpo.rl.methods import Explore, Objective, Plan
from research import toy_judge


@pytest.mark.full
@pytest.mark.parametrize(("explore", "updates"), [("chain", 60), ("weights", 30)])
def test_dlpo_reaches_most_of_the_possible_gain_on_held_out_sentences(
    tuning: Any, explore: Explore, updates: int
) -> None:
    settings = tuning.settings() | {
        "updates": updates, "sentences": 4, "group": 8, "rows": 8, "learning_rate": 4e-3,
        "explore_rate": 0.02, "warm_up": 1, "ema_decay": 0.5, "log_every": 60,
        "validate_every": 60, "save_every": 60, "validation_sentences": 1,
    }  # fmt: skip
    curve = toy_judge.run(
        tuning.checkpoint, tuning.data, tuning.out / "run",
        Plan(Objective("dlpo", explore, beta=1.0 if explore == "chain" else 0.0)),
        from_dict(TuningConfig, settings), more_db=1.0, goal=0.8, every=5,
    )  # fmt: skip
    assert curve[0].gain < 0.8 <= curve[-1].gain
    assert curve[-1].update < updates
