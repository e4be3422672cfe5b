"""Quality against steps and cost: what is heard, kept, timed and made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.errors import ConfigError, DataError, InputError
from dlpo.judges.judge import Scores, Waveform
from dlpo_bench.clips import SAMPLE_RATE, Clip
from dlpo_bench.judging import WORD_ERRORS, Panel
from dlpo_bench.pareto.points import (
    SERVED,
    TUNED,
    UNTUNED,
    Hearing,
    Kept,
    Point,
    Points,
    Round,
    Spoken,
    clips_at,
    open_points,
    panel_facts,
)
from dlpo_bench.pareto.study import expected_s, hear, outcome, time_rounds, turns, unbeaten, wanted

CLIPS = [Clip(f"LJ002-016{i}", f"one two {'three ' * i}".strip(), None) for i in range(1, 5)]
VOICE = f"{'ab' * 32} cosine 0.7"
ABOUT = {"sha256": "ab" * 32, "schedule": "cosine", "eta": 0.7}


class Loudest:
    """Scores the largest sample, in tenths."""

    name = "NISQA"
    sample_rate_hz = SAMPLE_RATE

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([10 * np.abs(w).max() for w in waveforms], np.float64)


class OneTwo:
    """Understands two words of any sentence."""

    name = "one, two"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return ["one two"] * len(waveforms)


PANEL = Panel([Loudest()], {WORD_ERRORS: OneTwo()}, {"UTMOS": "no weights"})


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


def point(series: str, steps: int, skill: float = 0.1) -> Point:
    return Point(series, steps, Voice(skill), ABOUT)


def made(*points: Point) -> Points:
    return Points(points, "tuned, 3 steps", {"tuned int8": "no bundle"})


def all_heard(points: Points, kept: Kept, fewer: dict[int, int] | None = None) -> None:
    hear(list(wanted(points.points, CLIPS, fewer or {})), PANEL, kept)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "work")


def hearing(system: str, clip: Clip, value: float, rtf: float = 0.5) -> Hearing:
    spoken = Spoken(VOICE, clip.clip_id, 2.0, 4 * rtf, 2 * rtf)
    values = {"NISQA": value, "seconds": 2.0}
    return Hearing(system, clip.text, spoken, 3.0, values, {}, {}, [], False)


@pytest.mark.parametrize(
    ("steps", "expected"), [(1, 20), (49, 20), (50, 6), (999, 6), (1000, 2), (2000, 2)]
)
def test_points_of_many_steps_say_fewer_clips(steps: int, expected: int) -> None:
    assert clips_at(steps, 20, {50: 6, 1000: 2}) == expected
    assert clips_at(steps, 1, {50: 6, 1000: 2}) == 1


def test_clips_come_in_turn_so_that_all_points_are_level_whenever_it_ends() -> None:
    points = [point(UNTUNED, 1), point(TUNED, 1), point(TUNED, 9)]
    order = [(one.label, clip.clip_id[-1]) for one, clip in wanted(points, CLIPS[:2], {9: 1})]
    one, other, long = (p.label for p in points)
    assert order == [(one, "1"), (other, "1"), (long, "1"), (one, "2"), (other, "2")]


def test_recordings_are_heard_where_the_corpus_has_them() -> None:
    there = Clip("LJ002-0161", "one", Path("LJ002-0161.wav"))
    systems = [one.label for one, _ in wanted([point(TUNED, 1)], [there, CLIPS[1]], {})]
    assert systems == ["recordings", "tuned, 1 steps", "tuned, 1 steps"]


def test_what_was_heard_survives_an_interrupt_and_is_not_heard_again(tmp_path: Path) -> None:
    voice = Voice(0.1, failing_at=2)
    todo = list(wanted([Point(TUNED, 3, voice, ABOUT)], CLIPS, {}))
    with pytest.raises(KeyboardInterrupt):
        hear(todo, PANEL, Kept(tmp_path))
    voice.failing_at = None
    assert hear(todo, PANEL, Kept(tmp_path)) == []
    assert voice.calls == [clip.clip_id for clip in CLIPS]
    found = Kept(tmp_path).heard(todo[1].point, CLIPS[1])
    assert found
    assert found.errors[WORD_ERRORS] == 2.0  # "three three" were not understood
    assert found.spoken.audio_s == 0.5


def test_other_words_under_the_same_name_are_heard_again(kept: Kept) -> None:
    voice = Voice(0.1)
    for text in ("one two", "two one", "two one"):
        todo = wanted([Point(TUNED, 3, voice, ABOUT)], [Clip("LJ002-0161", text, None)], {})
        hear(list(todo), PANEL, kept)
    assert len(voice.calls) == 2


def test_a_judge_that_fails_is_kept_as_such(kept: Kept) -> None:
    class Broken(Loudest):
        def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
            raise RuntimeError("no such layer")

    points = made(point(TUNED, 3))
    hear(list(wanted(points.points, CLIPS, {})), Panel([Broken()], {}, {}), kept)
    again = Kept(kept.directory)
    found = again.heard(points.points[0], CLIPS[0])
    assert found
    assert found.values["NISQA"] is None
    assert found.failures == [("NISQA", "RuntimeError: no such layer")]
    told = outcome(points, CLIPS, again)
    assert "NISQA" not in told.figures["points"]["tuned, 3 steps"]["heights"]
    assert told.samples["failures"][0][-1] == "RuntimeError: no such layer"


def test_what_does_not_fit_into_the_budget_is_left_and_told(kept: Kept) -> None:
    cheap, dear = point(TUNED, 2), point(TUNED, 2000)
    kept.add(hearing(cheap.label, CLIPS[0], 1.0))  # took 3 s: 3,000 s with 2,000 steps
    todo = list(wanted([cheap, dear], CLIPS, {}))
    left = hear(todo, PANEL, kept, budget_s=100)
    assert [one.label for one, _ in left] == [dear.label] * len(CLIPS)
    assert hear(todo, PANEL, kept, budget_s=None) == []


def test_expected_time_grows_with_the_steps_of_the_same_series(kept: Kept) -> None:
    points = [point(TUNED, 2), point(TUNED, 20), point(UNTUNED, 2)]
    todo = list(wanted(points, CLIPS[:2], {}))
    assert expected_s(todo[0], todo, kept) == 0
    kept.add(hearing("tuned, 2 steps", CLIPS[0], 1.0))
    expected = {one.point.label: expected_s(one, todo, kept) for one in todo}
    assert expected == {"tuned, 2 steps": 3, "tuned, 20 steps": 30, "untuned, 2 steps": 0}


def test_a_line_that_a_crash_cut_off_is_heard_again(kept: Kept) -> None:
    points = made(point(TUNED, 3))
    all_heard(points, kept)
    path = kept.directory / "hearings.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    again = Kept(kept.directory)
    heard = [again.heard(points.points[0], clip) is not None for clip in CLIPS]
    assert heard == [True, True, True, False]
    all_heard(points, again)
    assert Kept(kept.directory).heard(points.points[0], CLIPS[-1])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "expected objects"),
        ('{"system": "tuned"}', "Another version wrote it"),
    ],
)
def test_a_damaged_line_is_told(kept: Kept, line: str, told: str) -> None:
    (kept.directory / "hearings.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=rf"hearings\.jsonl.*{told}"):
        Kept(kept.directory)


def test_a_directory_of_other_judges_is_refused(kept: Kept, tmp_path: Path) -> None:
    kept.listen_with(panel_facts(PANEL))
    kept.listen_with(panel_facts(PANEL))
    with pytest.raises(InputError, match=r"heard by others \(judges, recognisers differ\)"):
        kept.listen_with(panel_facts(Panel([], {}, PANEL.left_out)))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't make"):
        Kept(tmp_path / "file" / "work")


def test_a_disk_that_takes_no_more_is_told(kept: Kept) -> None:
    (kept.directory / "hearings.jsonl").mkdir()
    with pytest.raises(InputError, match=r"can't write .*hearings\.jsonl.* run it again"):
        all_heard(made(point(TUNED, 3)), kept)


def test_what_another_voice_said_counts_no_longer(kept: Kept) -> None:
    old, new = point(TUNED, 3), Point(TUNED, 3, Voice(0.2), ABOUT | {"sha256": "cd" * 32})
    all_heard(made(old), kept)
    time_rounds([old], CLIPS, 2, {}, kept)
    assert outcome(made(old), CLIPS, kept).figures["rtf_from"] == "rounds"
    with pytest.raises(DataError, match="nobody heard"):
        outcome(made(new), CLIPS, kept)
    all_heard(made(new), kept)
    assert isinstance(new.system, Voice)
    assert len(new.system.calls) == len(CLIPS)
    assert outcome(made(new), CLIPS, kept).figures["rtf_from"] == "making"
    assert kept.heard(old, CLIPS[0])


def test_all_points_take_turns_in_each_round_of_timing(kept: Kept) -> None:
    points = [point(TUNED, 3), point(TUNED, 50)]
    time_rounds(points, CLIPS[:2], 3, {50: 1}, kept)
    short, long = (p.system for p in points)
    assert isinstance(short, Voice)
    assert isinstance(long, Voice)
    first, second = (clip.clip_id for clip in CLIPS[:2])
    assert short.calls == [first, first, second, first]  # the first is to warm up
    assert long.calls == [first]
    again = Kept(kept.directory)
    assert [list(one.spoken) for one in again.rounds] == [
        ["tuned, 3 steps", "tuned, 50 steps"], ["tuned, 3 steps"], ["tuned, 3 steps"],
    ]  # fmt: skip
    assert turns(points, 3, {50: 1}) == 4
    time_rounds(points, CLIPS, 1, {}, again)
    assert [one.number for one in again.rounds] == [0]  # the earlier timing is forgotten


def test_rounds_that_ended_survive_an_interrupt(kept: Kept) -> None:
    voice = Voice(0.1, failing_at=3)
    with pytest.raises(KeyboardInterrupt):
        time_rounds([Point(TUNED, 3, voice, ABOUT)], CLIPS, 5, {}, kept)
    assert len(Kept(kept.directory).rounds) == 2


def test_a_point_of_fewer_clips_is_not_higher_because_they_were_easy(kept: Kept) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3), point(UNTUNED, 9))
    for clip, easy in zip(CLIPS, (4.0, 3.0, 2.0, 1.0), strict=True):
        kept.add(hearing("tuned, 3 steps", clip, easy))
        kept.add(hearing("untuned, 3 steps", clip, easy - 0.25))
    kept.add(hearing("untuned, 9 steps", CLIPS[0], 4.5))  # the easiest
    found = outcome(points, CLIPS, kept).figures["points"]
    height = {label: one["heights"]["NISQA"]["value"] for label, one in found.items()}
    assert height["tuned, 3 steps"] == pytest.approx(2.5)
    assert height["untuned, 3 steps"] == pytest.approx(2.25)  # as it said all: its own mean
    assert height["untuned, 9 steps"] == pytest.approx(3.0)
    assert found["untuned, 9 steps"]["clips"] == 1
    assert found["untuned, 9 steps"]["heights"]["NISQA"]["verdict"] == "undecided"
    assert "interval_95" not in found["untuned, 9 steps"]["heights"]["NISQA"]  # of one clip
    low, high = found["untuned, 3 steps"]["heights"]["NISQA"]["interval_95"]
    assert low == pytest.approx(high) == pytest.approx(2.25)  # each clip was lower by as much


def test_without_a_clip_in_common_there_is_no_height(kept: Kept) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3))
    kept.add(hearing("tuned, 3 steps", CLIPS[0], 4.0))
    kept.add(hearing("untuned, 3 steps", CLIPS[1], 3.0))
    found = outcome(points, CLIPS, kept).figures["points"]
    assert found["tuned, 3 steps"]["heights"]["NISQA"]["value"] == 4
    assert found["untuned, 3 steps"]["heights"] == {}


def test_factors_are_of_rounds_only_where_all_were_timed(kept: Kept) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3))
    for label in ("tuned, 3 steps", "untuned, 3 steps"):
        kept.add(hearing(label, CLIPS[0], 3.0, rtf=0.5))
    spoken = Spoken(VOICE, "LJ002-0161", 2.0, 0.5, 0.25)
    kept.add_round(Round(0, {"other_cores": 0.5, "clock_jump_s": -3.0}, {"tuned, 3 steps": spoken}))
    found = outcome(points, CLIPS, kept).figures
    assert found["rtf_from"] == "making"
    assert found["points"]["tuned, 3 steps"]["rtf"] == pytest.approx(0.5)
    both = {
        "tuned, 3 steps": spoken,
        "untuned, 3 steps": Spoken(VOICE, "LJ002-0161", 2.0, 1.0, 0.25),
    }
    kept.add_round(Round(1, {"other_cores": 0.25, "clock_jump_s": 1.0}, both))
    found = outcome(points, CLIPS, kept).figures
    assert found["rtf_from"] == "rounds"
    assert found["points"]["untuned, 3 steps"]["rtf"] == pytest.approx(0.5)
    assert found["points"]["tuned, 3 steps"]["rtf"] == pytest.approx(0.25)
    assert found["machine"] == {"other_cores": 0.5, "clock_jump_s": -3.0}  # the worst round


def test_what_nobody_heard_is_told(kept: Kept) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3))
    with pytest.raises(DataError, match="nobody heard 'tuned, 3 steps'"):
        outcome(points, CLIPS, kept)
    kept.add(hearing("tuned, 3 steps", CLIPS[0], 3.0))
    assert outcome(points, CLIPS, kept).figures["skipped"] == {
        "tuned int8": "no bundle",
        "untuned, 3 steps": "nobody heard it yet",
        "recordings": "none of these clips on this machine",
    }


def test_word_errors_are_better_when_fewer(kept: Kept) -> None:
    points = made(point(TUNED, 3), point(UNTUNED, 3))
    for label, rtf, wrong in (("tuned, 3 steps", 0.1, 0.0), ("untuned, 3 steps", 0.5, 1.0)):
        for clip in CLIPS:
            one = hearing(label, clip, 3.0, rtf)
            fields = {name: getattr(one, name) for name in Hearing.__slots__}
            heard = {"transcripts": {WORD_ERRORS: "one"}, "errors": {WORD_ERRORS: wrong}}
            kept.add(Hearing(**fields | heard))
    found = outcome(points, CLIPS, kept).figures["points"]
    assert found["tuned, 3 steps"]["optimal"] == ["NISQA", WORD_ERRORS]
    assert found["untuned, 3 steps"]["optimal"] == []


@pytest.mark.parametrize(
    ("costs", "scores", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], [True, True, True]),
        ([1, 2, 3], [3, 2, 1], [True, False, False]),
        ([1, 2, 3], [2, 1, 3], [True, False, True]),
        ([1, 2], [1, 1], [True, False]),  # as good for less
        ([1, 1], [2, 1], [True, False]),  # better for as much
        ([1, 1], [1, 1], [True, True]),
        ([], [], []),
    ],
)
def test_what_is_as_good_for_less_or_better_for_as_much_beats(
    costs: list[float], scores: list[float], expected: list[bool]
) -> None:
    assert unbeaten(costs, scores) == expected


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
    assert found.skipped == {
        "tuned int8, 4 steps": f"bundle {tiny_bundle} has no int8 graph of them"
    }
    assert found.bundle_sha256
    assert found.points[0].voice == found.points[3].voice != found.points[2].voice


def test_a_bundle_of_another_checkpoint_is_no_point(
    tiny_checkpoint: Path, slow_checkpoint: Path, tiny_bundle: Path
) -> None:
    found = open_points(tiny_checkpoint, slow_checkpoint, str(tiny_bundle), (1, 2))
    assert found.baseline == "tuned, 2 steps"  # as many as the bundle would have taken
    assert "was exported from checkpoint" in found.skipped[SERVED]
    assert found.bundle_sha256 is None


def test_a_thousand_steps_need_no_unrolled_graph(slow_checkpoint: Path, tiny_bundle: Path) -> None:
    found = open_points(slow_checkpoint, slow_checkpoint, str(tiny_bundle), (1000,))
    said = found.points[0].system(Clip("LJ002-0161", "Hum.", None))
    assert np.isfinite(said).all()
    assert said.any()


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"untuned": "tests"}, InputError, "is no system"),
        ({"tuned": "lj"}, InputError, "lj is no checkpoint"),
        ({"voice": "nobody"}, InputError, "no voice 'nobody'"),
        ({"steps": ()}, InputError, "no number of steps"),
        ({"steps": (1001,)}, ConfigError, "1 to 1000"),
        ({"schedule": "sine"}, ConfigError, "'sine' is unknown"),
    ],
)
def test_what_cannot_speak_is_refused(
    tiny_checkpoint: Path, tiny_bundle: Path, change: dict[str, Any], error: type, told: str
) -> None:
    asked: dict[str, Any] = {
        "untuned": tiny_checkpoint, "tuned": tiny_checkpoint, "voice": str(tiny_bundle),
        "steps": (1,),
    }  # fmt: skip
    with pytest.raises(error, match=told):
        open_points(**asked | change)


def test_hearings_are_plain_lines_of_json(kept: Kept) -> None:
    all_heard(made(point(TUNED, 3)), kept)
    lines = (kept.directory / "hearings.jsonl").read_text().splitlines()
    assert [json.loads(line)["spoken"]["clip_id"] for line in lines] == [c.clip_id for c in CLIPS]
