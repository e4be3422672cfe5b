"""The comparison of methods: what a run costs, where its curves come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpo.errors import DataError
from dlpo_bench.tuning_comparison import Budget, Run, curve

BUDGET = Budget(
    updates=12,
    sentences=2,
    group=2,
    learning_rate=1e-4,
    longest_s=2.0,
    validate_every=4,
    validation_sentences=1,
)


def finished(out: Path, seed: int, scores: dict[int, float]) -> Run:
    out.mkdir()
    spent = {"updates": max(scores), "seconds_per_update": {"judge": 1.5}}
    (out / "cost.json").write_text(json.dumps(spent))
    lines = [
        {"update": u, "split": "validation", "held_out/nisqa": x} for u, x in scores.items()
    ] + [{"update": 4, "split": "train", "held_out/nisqa": 99.0}]
    (out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run("dlpo", seed, out)


def test_curve_is_the_mean_and_the_range_over_seeds(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path / "0", 0, {0: 3.0, 4: 3.2, 12: 3.4}),
        finished(tmp_path / "1", 1, {0: 3.0, 4: 3.0, 8: 9.0, 12: 3.6}),
    ]
    found = curve("held_out/nisqa", "dlpo", runs)
    assert found.updates == [0, 4, 12]  # what every seed has
    assert found.mean == pytest.approx([3.0, 3.1, 3.5])
    assert found.low == pytest.approx([3.0, 3.0, 3.4])
    assert found.high == pytest.approx([3.0, 3.2, 3.6])


def test_finished_run_is_not_repeated(tmp_path: Path) -> None:
    run = finished(tmp_path / "0", 0, {0: 3.0, 12: 3.4})
    run.tune(tmp_path / "no checkpoint", tmp_path / "no data", BUDGET)
    assert run.updates() == 12


def test_failed_run_says_which_command_and_why(tmp_path: Path) -> None:
    run = Run("dlpo", 0, tmp_path / "run")
    with pytest.raises(DataError, match=r"(?s)dlpo tune .*failed.*(does not|doesn't) exist"):
        run.tune(tmp_path / "no checkpoint", tmp_path, BUDGET)


def test_settings_are_ones_that_the_command_knows() -> None:
    from dlpo.cli.settings import parse_settings
    from dlpo.config import TuningConfig, from_dict
    from dlpo.rl.methods import Objective

    values = parse_settings([part for part in BUDGET.settings if part != "--set"])
    assert from_dict(Objective, {"unit_spread": values.pop("unit_spread")}).unit_spread
    assert from_dict(TuningConfig, values).updates == BUDGET.updates


def test_curve_of_what_nobody_measured_is_refused(tmp_path: Path) -> None:
    run = finished(tmp_path / "0", 0, {0: 3.0})
    with pytest.raises(DataError, match="nobody measured held_out/UTMOS"):
        curve("held_out/UTMOS", "dlpo", [run])
