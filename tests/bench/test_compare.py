"""Two records of one kind: slower, faster or undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.errors import DataError
from dlpo_bench.compare import (
    UNDECIDED,
    Change,
    check_pair,
    compare_clips,
    compare_medians,
    compare_samples,
    over_baseline,
)
from dlpo_bench.record import Measured, Record, write_record
from dlpo_cli import app

CLIPS = [f"clip-{i}" for i in range(12)]


def calls(median: float, count: int = 60, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return (median * np.exp(0.1 * rng.normal(size=count))).tolist()


def record(samples: dict[str, Any], kind: str = "load", cpu: str = "Abacus") -> Record:
    return Record(1, kind, "measure", "2026-01-01", {"cpu": cpu}, {}, None, None, {}, samples)


def judged(
    scores: list[float | None] | None = None,
    *,
    measure: str = "NISQA",
    system: str = "lj",
    errors: list[float] | None = None,
    **changed: Any,
) -> dict[str, Any]:
    heard: dict[str, Any] = {"values": {measure: scores or [3.0] * len(CLIPS)}}
    heard["errors"] = {"word errors": errors or [2.0] * len(CLIPS)}
    samples = {
        "clips": CLIPS, "texts": [f"text {clip}" for clip in CLIPS],
        "words": [10.0] * len(CLIPS), "systems": {system: heard},
    }  # fmt: skip
    return samples | changed


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Change]:
    found, _ = compare_clips(record(before, "quality"), record(after, "quality"))
    return {change.measure: change for change in found}


def test_lower_score_is_worse_and_lower_time_is_better() -> None:
    high, low = np.array(calls(4)), np.array(calls(3))
    assert compare_medians("NISQA", high, low).got_worse(1.1)
    assert not compare_medians("NISQA", high, low).got_worse(1.5)
    assert compare_medians("NISQA", low, high).verdict == "better"
    assert not compare_medians("first_audio_ms", high, low).got_worse(1)


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
    assert check_pair(record({}), record({})) == []
    (warning,) = check_pair(record({}), record({}, cpu="Slide rule"))
    assert "cpu: Abacus before, Slide rule after" in warning


def test_scores_are_compared_clip_by_clip() -> None:
    spread = np.linspace(1, 4.5, len(CLIPS))  # clips differ more than the systems do
    higher = spread + np.linspace(0.1, 0.2, len(CLIPS))
    found = changes(judged(spread.tolist()), judged(higher.tolist()))
    assert found["NISQA"].paired.difference.value == pytest.approx(0.15, abs=1e-3)
    assert found["NISQA"].verdict == "better"
    assert changes(judged(higher.tolist()), judged(spread.tolist()))["NISQA"].verdict == "worse"
    assert found["word errors"].verdict == UNDECIDED


def test_fewer_word_errors_are_better_and_are_pooled_over_words() -> None:
    words = [float(5 + i) for i in range(len(CLIPS))]
    found = changes(judged(errors=[4.0] * 12, words=words), judged(errors=[1.0] * 12, words=words))[
        "word errors"
    ]
    assert found.paired.difference.value == pytest.approx(-36 / sum(words))
    assert found.verdict == "better"


def test_clips_are_found_by_name_and_failed_ones_left_out() -> None:
    scores: list[float | None] = [float(i) for i in range(12)]
    mirrored = {"clips": CLIPS[::-1], "texts": [f"text {clip}" for clip in CLIPS[::-1]]}
    same = changes(judged(scores), judged([*scores[:0:-1], None], **mirrored))["NISQA"]
    assert same.paired.sentences == 11
    assert same.paired.difference.value == 0


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (judged(clips=["x"], texts=["x"]), "no clip in common"),
        (judged(system="other"), "the systems are lj in one record, other in the other"),
        ({"clips": CLIPS}, "not those of judges"),
        (judged(systems={"lj": 3}), "not those of judges"),
    ],
)
def test_records_of_judges_that_cannot_be_compared_are_refused(
    after: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        compare_clips(record(judged(), "quality"), record(after, "quality"))


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
    assert (ratio.name, ratio.verdict) == ("speech.5 s.quick / slow.speech_rtf", UNDECIDED)
    assert ratio.ratio.value == pytest.approx(1)
    slowed = over_baseline(record(turns(0.06, 0.05, 2), "rtf"), "slow")
    ((ratio,), _) = compare_samples(over_baseline(ours, "slow"), slowed)
    assert ratio.verdict == "slower"
    assert ratio.got_worse(beyond=2)


def test_clips_of_each_kind_are_compared_apart() -> None:
    kinds = ["yn"] * 6 + ["st"] * 6
    before, after = judged([3.0] * 12, kinds=kinds), judged([4.0] * 6 + [3.0] * 6, kinds=kinds)
    found, _ = compare_clips(record(before, "endings"), record(after, "endings"))
    scores = {one.system: one.paired.difference.value for one in found if one.measure == "NISQA"}
    assert scores == {"lj, yn": 1.0, "lj, st": 0.0}
