"""Two records of one kind: slower, faster or undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.errors import DataError
from dlpo_bench.compare import check_pair, compare_medians, compare_samples, over_baseline
from dlpo_bench.record import Measured, Record, write_record
from dlpo_cli import app


def calls(median: float, count: int = 60, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return (median * np.exp(0.1 * rng.normal(size=count))).tolist()


def record(samples: dict[str, Any], kind: str = "load", cpu: str = "Abacus") -> Record:
    return Record(1, kind, "measure", "2026-01-01", {"cpu": cpu}, {}, None, None, {}, samples)


def test_only_a_longer_time_is_worse() -> None:
    low, high = np.array(calls(3)), np.array(calls(4))
    slower = compare_medians("load.first_audio_ms", low, high)
    assert (slower.verdict, slower.got_worse(1.1), slower.got_worse(1.5)) == ("slower", True, False)
    assert not compare_medians("first_audio_ms", high, low).got_worse(1)
    assert compare_medians("late_ms", low, high).verdict == "no verdict"


def test_figures_that_cannot_be_compared_are_listed() -> None:
    old = {"a": [1.0, 2], "b": [1.0, 2], "zero": [0.0, 1], "names": ["x", "y"]}
    before = record(old | {"odd": [1.0, float("nan")]})
    after = record(
        {"a": [1.0, 2], "c": [1.0, 2], "zero": [1.0, 1], "odd": [1.0, 2], "flags": [True, False]}
    )
    (one,), problems = compare_samples(before, after)
    assert one.name == "a"
    assert problems == [
        "b: only in the first record",
        "zero: samples at or below 0, or infinite, have no ratio",
        "odd: samples at or below 0, or infinite, have no ratio",
        "c: only in the second record",
    ]


def test_two_kinds_are_refused_and_two_machines_reported() -> None:
    with pytest.raises(DataError, match="'load', the other of kind 'latency'"):
        check_pair(record({}), record({}, kind="latency"))
    with pytest.raises(DataError, match="dlpo eval before=A after=B"):
        check_pair(record({}, kind="quality"), record({}, kind="quality"))
    assert check_pair(record({}), record({})) == []
    (warning,) = check_pair(record({}), record({}, cpu="Slide rule"))
    assert "cpu: Abacus before, Slide rule after" in warning


@pytest.mark.parametrize("limit", [[], ["--fail-above", "1.1"], ["--fail-above", "1.5"]])
def test_command_fails_only_beyond_the_given_ratio(tmp_path: Path, limit: list[str]) -> None:
    a, b = (
        write_record("load", Measured({}, {"first_audio_ms": calls(median)}), "x", tmp_path)
        for median in (10, 13)
    )
    done = CliRunner().invoke(app, ["bench", "compare", str(a), str(b), *limit])
    assert done.exit_code == (1 if limit[1:] == ["1.1"] else 0)
    assert "first_audio_ms: " in done.stdout
    assert "1.300 [" in done.stdout
    assert "slower" in done.stdout
    odd = CliRunner().invoke(app, ["bench", "compare", str(a), str(b), "--fail-above", "nan"])
    assert odd.exit_code == 2
    back = CliRunner().invoke(app, ["bench", "compare", str(b), str(a), *limit])
    assert back.exit_code == 0
    assert "faster" in back.stdout


def turns(slow: float, quick: float, machine: float) -> dict[str, Any]:
    """Two contestants in turns, on a machine that takes `machine` times as long."""
    case = {
        name: {"speech_rtf": calls(machine * median, 9, seed)}
        for seed, (name, median) in enumerate({"slow": slow, "quick": quick}.items())
    }
    return {"speech": {"5 s": case}}


def test_ratios_to_a_contestant_do_not_hang_on_the_machine() -> None:
    ours, theirs = (record(turns(0.06, 0.02, machine), "rtf") for machine in (1, 3))
    ((times, _), (ratios, _)) = (
        compare_samples(ours, theirs),
        compare_samples(*(over_baseline(one, "slow") for one in (ours, theirs))),
    )
    assert {one.verdict for one in times} == {"slower"}
    (ratio,) = ratios
    assert (ratio.name, ratio.verdict) == ("speech.5 s.quick / slow.speech_rtf", "undecided")
    assert ratio.ratio.value == pytest.approx(1)
    slowed = over_baseline(record(turns(0.06, 0.05, 2), "rtf"), "slow")
    ((ratio,), _) = compare_samples(over_baseline(ours, "slow"), slowed)
    assert ratio.verdict == "slower"
    assert ratio.got_worse(beyond=2)
