"""Quality against steps and cost: what is judged, kept and timed, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import DataError, InputError
from dlpo.judges.judge import Waveform
from dlpo_bench.clips import SAMPLE_RATE, Clip
from dlpo_bench.judging import WORD_ERRORS, JudgePanel
from dlpo_bench.pareto import (
    RESULTS,
    TUNED,
    UNTUNED,
    ClipResult,
    Points,
    WorkDirectory,
    clips_at,
    judge_all,
    label_of,
    open_points,
    outcome,
    time_rounds,
    unbeaten,
    voice_of,
    wanted,
)
from dlpo_bench.record import read_record
from dlpo_bench.report.page import make_page
from dlpo_bench.systems import System
from tests.toys import ToyJudge

CLIPS = [Clip(f"LJ002-016{i}", f"one two {'three ' * i}".strip(), None) for i in range(1, 5)]
ABOUT = {"sha256": "ab" * 32, "schedule": "cosine", "eta": 0.7}


LOUDEST = ToyJudge("NISQA", lambda waveform: 10 * np.abs(waveform).max())
ONE_TWO = ToyJudge("one, two", words=lambda waveform: "one two")
PANEL = JudgePanel([LOUDEST], {WORD_ERRORS: ONE_TWO}, {"UTMOS": "no weights"})


class Voice:
    """Says a tone whose crest the clip and its own skill decide, and counts its calls."""

    def __init__(self, skill: float, failing_at: int | None = None) -> None:
        self.skill, self.failing_at = skill, failing_at
        self.calls: list[str] = []

    def __call__(self, clip: Clip) -> Waveform:
        if len(self.calls) == self.failing_at:
            raise KeyboardInterrupt
        self.calls.append(clip.clip_id)
        made = (np.sin(np.arange(SAMPLE_RATE // 2) / 30) / 10).astype(np.float32)
        made[5000] = 0.2 + self.skill + 0.05 * int(clip.clip_id[-1])  # one crest: a level as all
        return made


def point(series: str, steps: int, voice: Voice | None = None, **about: Any) -> System:
    about = {**ABOUT, "series": series, "steps": steps, **about}
    return System(label_of(series, steps), (voice or Voice(0.1),), about)


def made(*points: System) -> Points:
    return Points(points, "tuned, 3 steps", {"tuned int8": "no bundle"})


def judge(points: Sequence[System], work: WorkDirectory) -> None:
    judge_all(list(wanted(points, CLIPS, {})), PANEL, work)


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    return WorkDirectory(tmp_path / "work")


def result(one: System, clip: Clip, value: float, rtf: float = 0.5, **more: Any) -> ClipResult:
    values = {"NISQA": value, "seconds": 2.0}
    fields = {"transcripts": {}, "errors": {}, "failures": [], "silent": False} | more
    key = one.label, voice_of(one), clip.clip_id, clip.text
    return ClipResult(*key, audio_s=2.0, cpu_s=2 * rtf, values=values, **fields)


@pytest.mark.parametrize(
    ("steps", "expected"), [(1, 20), (49, 20), (50, 6), (999, 6), (1000, 2), (2000, 2)]
)
def test_points_of_many_steps_say_fewer_clips(steps: int, expected: int) -> None:
    assert clips_at(steps, 20, {50: 6, 1000: 2}) == expected
    assert clips_at(steps, 1, {50: 6, 1000: 2}) == 1


def test_scores_survive_an_interrupt_and_are_not_made_again(tmp_path: Path) -> None:
    voice = Voice(0.1, failing_at=2)
    points = [point(TUNED, 3, voice)]
    with pytest.raises(KeyboardInterrupt):
        judge(points, WorkDirectory(tmp_path))
    voice.failing_at = None
    judge(points, WorkDirectory(tmp_path))
    assert voice.calls == [clip.clip_id for clip in CLIPS]
    found = WorkDirectory(tmp_path).find(points[0], CLIPS[1])
    assert found
    assert found.errors[WORD_ERRORS] == 2.0  # "three three" were not understood
    assert found.audio_s == 0.5


def test_other_words_under_the_same_name_are_judged_again(work: WorkDirectory) -> None:
    voice = Voice(0.1)
    for text in ("one two", "two one", "two one"):
        todo = wanted([point(TUNED, 3, voice)], [Clip("LJ002-0161", text, None)], {})
        judge_all(list(todo), PANEL, work)
    assert len(voice.calls) == 2


def test_a_work_directory_that_can_not_be_used_is_refused(
    work: WorkDirectory, tmp_path: Path
) -> None:
    work.judge_with(PANEL)
    work.judge_with(PANEL)
    with pytest.raises(InputError, match=r"another panel \(judges, recognisers differ\)"):
        work.judge_with(JudgePanel([], {}, PANEL.left_out))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / RESULTS).write_bytes(b"no database" * 100)
    (tmp_path / "file").touch()
    for place in (tmp_path / "damaged", tmp_path / "file" / "work"):
        with pytest.raises(InputError, match="name another --work"):
            WorkDirectory(place)


def test_scores_of_another_voice_do_not_count(work: WorkDirectory) -> None:
    voice = Voice(0.2)
    old, new = point(TUNED, 3), point(TUNED, 3, voice, sha256="cd" * 32)
    judge([old], work)
    time_rounds([old], CLIPS, 2, {}, work)
    assert outcome(made(old), CLIPS, work).figures["rtf_from"] == "rounds"
    with pytest.raises(DataError, match="no scores of"):
        outcome(made(new), CLIPS, work)
    judge([new], work)
    assert len(voice.calls) == len(CLIPS)
    assert outcome(made(new), CLIPS, work).figures["rtf_from"] == "making"
    assert work.find(old, CLIPS[0])


def test_a_point_of_fewer_clips_is_not_higher_because_they_were_easy(work: WorkDirectory) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3), point(UNTUNED, 9))
    tuned, untuned, few = points.points
    for clip, easy in zip(CLIPS, (4.0, 3.0, 2.0, 1.0), strict=True):
        work.add(result(tuned, clip, easy))
        work.add(result(untuned, clip, easy - 0.25))
    work.add(result(few, CLIPS[0], 4.5))  # the easiest
    found = outcome(points, CLIPS, work).figures["points"]
    height = {label: one["heights"]["NISQA"]["value"] for label, one in found.items()}
    assert height["tuned, 3 steps"] == pytest.approx(2.5)
    assert height["untuned, 3 steps"] == pytest.approx(2.25)  # as it said all: its own mean
    assert height["untuned, 9 steps"] == pytest.approx(3.0)
    assert found["untuned, 9 steps"]["clips"] == 1
    assert found["untuned, 9 steps"]["heights"]["NISQA"]["verdict"] == "undecided"
    assert "interval_95" not in found["untuned, 9 steps"]["heights"]["NISQA"]  # of one clip
    low, high = found["untuned, 3 steps"]["heights"]["NISQA"]["interval_95"]
    assert low == pytest.approx(high) == pytest.approx(2.25)  # each clip was lower by as much


def test_word_errors_are_better_when_fewer(work: WorkDirectory) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3))
    for one, rtf, wrong in zip(points.points, (0.1, 0.5), (0.0, 1.0), strict=True):
        for clip in CLIPS:
            text = {"transcripts": {WORD_ERRORS: "one"}, "errors": {WORD_ERRORS: wrong}}
            work.add(replace(result(one, clip, 3.0, rtf), **text))
    found = outcome(points, CLIPS, work).figures["points"]
    assert found["tuned, 3 steps"]["optimal"] == ["NISQA", WORD_ERRORS]
    assert found["untuned, 3 steps"]["optimal"] == []


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
    assert found.bundle_sha256
    voices = [voice_of(one) for one in found.points]
    assert voices[0] == voices[3] != voices[2]


def test_the_command_goes_on_where_it_was_and_records_what_it_has(
    slow_checkpoint: Path, tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # of the tests after it
    asked = ["bench", "quality", "--work", "work", "--untuned", str(slow_checkpoint), "--tuned",
             str(slow_checkpoint), "--voice", str(tiny_bundle), "--corpus", str(tiny_corpus),
             "--clips", "1", "--steps", "2", "--weights", "nowhere"]  # fmt: skip
    refused = CliRunner().invoke(app, [*asked, "--no-hear", "--rounds", "0"])
    assert refused.exit_code == 1
    first = CliRunner().invoke(app, [*asked, "--rounds", "0"])
    assert first.exit_code == 0, first.output
    assert "skipped: tuned int8: bundle" in first.stderr
    again = CliRunner().invoke(app, [*asked, "--no-hear", "--rounds", "2", "--record"])
    assert again.exit_code == 0, again.output
    (path,) = (tmp_path / "benchmarks" / "records").glob("pareto-*.json")
    record = read_record(path)
    assert record.figures["rtf_from"] == "rounds"
    assert [len(rtf) for rtf in record.samples["rtf"].values()] == [2, 2]
    assert "NISQA" in record.samples["left_out"]
    assert make_page(path.parent, tmp_path / "page.md").problems == []
    compared = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert "tuned, 2 steps, DistillMOS: +0.000" in compared.stdout
