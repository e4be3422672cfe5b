"""Quality against steps and cost: what is judged, what it costs, and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dlpo.judges.judge import Waveform
from dlpo_bench.clips import SAMPLE_RATE, Clip
from dlpo_bench.judging import WORD_ERRORS, JudgePanel
from dlpo_bench.pareto import (
    SERVED,
    TUNED,
    UNTUNED,
    Points,
    label_of,
    measure_quality,
    open_points,
    optimal,
    unbeaten,
)
from dlpo_bench.record import read_record
from dlpo_bench.report.page import make_page
from dlpo_bench.systems import System, only_bundle
from dlpo_cli import app
from tests.toys import ToyJudge

CLIPS = [Clip(f"LJ002-016{i}", f"one two {'three ' * i}".strip(), None) for i in range(1, 5)]
LOUDEST = ToyJudge("NISQA", lambda waveform: 10 * np.abs(waveform).max())
ONE_TWO = ToyJudge("one, two", words=lambda waveform: "one two")
PANEL = JudgePanel([LOUDEST], {WORD_ERRORS: ONE_TWO}, {"UTMOS": "no weights"})


def point(series: str, steps: int, skill: float = 0.1) -> System:
    """Says a tone whose crest the clip and its own skill decide."""

    def say(clip: Clip) -> Waveform:
        made = (np.sin(np.arange(SAMPLE_RATE // 2) / 30) / 10).astype(np.float32)
        made[5000] = 0.2 + skill + 0.05 * int(clip.clip_id[-1])  # one crest: a level as all
        return made

    about = {"kind": "files", "series": series, "steps": steps}
    return System(label_of(series, steps), (say,), about)


def test_points_share_clips_for_score_and_cost() -> None:
    calls: list[None] = []
    points = Points(
        [point(TUNED, 3), point(UNTUNED, 3, 0.05)], "tuned, 3 steps", {"tuned int8": "no bundle"}
    )

    measured = measure_quality(points, CLIPS, PANEL, lambda: calls.append(None))

    assert len(calls) == 2 * len(CLIPS)
    found = measured.figures["points"]
    high, low = (found[one.label]["heights"]["NISQA"] for one in points.points)
    assert set(high) == {"value"}  # others are compared with it
    assert low["interval_95"][0] <= low["value"] <= low["interval_95"][1] < high["value"]
    assert [len(rtf) for rtf in measured.samples["rtf"].values()] == [4, 4]
    assert found["untuned, 3 steps"]["rtf"] > 0
    assert set(measured.figures["skipped"]) == {"tuned int8", "recordings"}


def test_word_errors_are_better_when_fewer() -> None:
    def scored(rtf: float, errors: float) -> dict[str, Any]:
        return {"rtf": rtf, "heights": {"NISQA": {"value": 3.0}, WORD_ERRORS: {"value": errors}}}

    found = optimal({"tuned": scored(0.1, 0.0), "untuned": scored(0.5, 0.4)})

    assert found == {"tuned": ["NISQA", WORD_ERRORS], "untuned": []}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_front_is_a_sweep_from_the_cheapest(points: list[tuple[int, int]]) -> None:
    costs, scores = [c for c, _ in points], [s for _, s in points]
    front, best = set(), -1
    for cost, score in sorted(set(points), key=lambda p: (p[0], -p[1])):
        if score > best:
            front.add((cost, score))
            best = score
    assert unbeaten(costs, scores) == [one in front for one in points]


def test_checkpoints_and_their_bundle_are_opened(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    found = open_points(tiny_checkpoint, tiny_checkpoint, str(tiny_bundle), (4, 1))
    assert [one.label for one in found.points] == [
        "untuned, 1 steps", "tuned, 1 steps", "tuned int8, 1 steps",
        "untuned, 4 steps", "tuned, 4 steps",
    ]  # fmt: skip
    assert found.baseline == "tuned int8, 1 steps"
    assert list(found.skipped) == ["tuned int8, 4 steps"]
    assert only_bundle(one.about for one in found.points)


def test_bundle_of_another_checkpoint_is_left_out(
    tiny_checkpoint: Path, slow_checkpoint: Path, tiny_bundle: Path
) -> None:
    found = open_points(tiny_checkpoint, slow_checkpoint, str(tiny_bundle), (1, 2))
    assert found.baseline == "tuned, 2 steps"  # as many as the bundle would have taken
    assert "was exported from checkpoint" in found.skipped[SERVED]
    assert only_bundle(one.about for one in found.points) is None


def test_the_command_records_what_it_measured(
    slow_checkpoint: Path, tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # of the tests after it
    panel = JudgePanel([ToyJudge("DistillMOS")], {}, {"NISQA": "no weights"})
    monkeypatch.setattr("dlpo_bench.panel.load_panel", lambda *places: panel)
    asked = ["bench", "quality", "--untuned", str(slow_checkpoint), "--tuned",
             str(slow_checkpoint), "--voice", str(tiny_bundle), "--corpus", str(tiny_corpus),
             "--clips", "1", "--steps", "2", "--weights", "nowhere", "--record", "--out",
             str(tmp_path / "records")]  # fmt: skip
    made = CliRunner().invoke(app, asked)
    assert made.exit_code == 0, made.output
    assert "Skipped: tuned int8: bundle" in made.stdout
    (path,) = (tmp_path / "records").glob("pareto-*.json")
    record = read_record(path)
    assert [len(rtf) for rtf in record.samples["rtf"].values()] == [1, 1]
    assert "NISQA" in record.samples["left_out"]
    assert make_page(path.parent, tmp_path / "page.md").problems == []
    compared = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert "tuned, 2 steps, DistillMOS: +0.000" in compared.stdout
