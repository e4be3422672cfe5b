"""How sentences end: the measure, texts with kinds, and the texts that are kept for it."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dlpo.errors import DataError, InputError, MissingExtraError
from dlpo.judges.judge import Waveform
from dlpo.judges.word_errors import words_of
from dlpo.rl import demo
from dlpo_bench.clips import clips_of_texts
from dlpo_bench.endings import KINDS, MOVEMENT, RISES, EndMovement
from dlpo_bench.eval import figures_by_kind, markdown, verdict
from dlpo_bench.judging import JudgePanel, evaluate
from dlpo_bench.panel import load_panel
from dlpo_bench.statistics import Estimate, Paired

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
TEXTS = ROOT / "benchmarks" / "endings.tsv"
RATE = 22_050  # Hz


def voice(hertz: float, seconds: float) -> np.ndarray:
    return np.full(round(seconds * RATE), hertz)


def spoken(hertz: np.ndarray) -> Waveform:
    """A voice-like sound of this F0."""
    phase = np.cumsum(2 * np.pi * hertz / RATE)
    return (0.05 * sum(np.cos(k * phase) / k for k in range(1, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def movement() -> EndMovement:
    pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    return EndMovement()


@pytest.mark.parametrize(("last_hz", "rises"), [(225.0, 1.0), (165.0, 0.0), (110.0, 0.0)])
def test_movement_is_that_of_the_pitch_at_the_end(
    movement: EndMovement, last_hz: float, rises: float
) -> None:
    hertz = np.concatenate([voice(180, 0.5), voice(150, 0.4), voice(last_hz, 0.1)])
    moved, risen = movement.measure(spoken(hertz), RATE, "")
    assert moved == pytest.approx(12 * math.log2(last_hz / 150), abs=0.5)
    assert risen == rises


def test_silence_after_the_voice_changes_nothing(movement: EndMovement) -> None:
    speech = spoken(np.concatenate([voice(150, 0.8), voice(225, 0.12)]))
    alone = movement.measure(speech, RATE, "")
    followed = movement.measure(np.pad(speech, (0, RATE // 2)), RATE, "")
    assert followed == pytest.approx(alone, abs=0.3)


def test_too_little_voice_counts_as_not_risen(movement: EndMovement) -> None:
    moved, risen = movement.measure(np.pad(spoken(voice(150, 0.15)), RATE // 2), RATE, "")
    assert math.isnan(moved)
    assert risen == 0


def test_missing_tracker_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(MissingExtraError, match=r"parselmouth is not installed.*\[praat\]"):
        EndMovement()


class Pitch:
    """A measure that reads the F0 out of a constant waveform."""

    names = (MOVEMENT, RISES)

    def measure(self, waveform: Waveform, sample_rate_hz: int, text: str) -> tuple[float, ...]:
        if text.startswith("Mute"):
            return math.nan, 0.0
        moved = 4.0 if text.endswith("?") else -2.0
        return moved, float(moved >= 3)


def test_figures_are_given_for_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("q1\tyn\tIs it?\nq2\tyn\tMute, is it?\n\ns1\tst\tIt is.\n", "utf-8")
    clips = clips_of_texts(path)
    say = lambda clip: spoken(voice(150, 0.5))  # noqa: E731
    quality = evaluate({"a": say, "b": say}, clips, JudgePanel([], {}, {}, [Pitch()]), match=False)

    found = figures_by_kind(quality)

    assert [(clip.clip_id, clip.kind) for clip in clips][1:] == [("q2", "yn"), ("s1", "st")]
    assert {kind: found[kind]["a"][RISES]["value"] for kind in found} == {"yn": 0.5, "st": 0}
    assert found["yn"]["b"][MOVEMENT]["difference"]["sentences"] == 1
    page = markdown(quality)
    assert "**yes/no questions** (yn), 2 clips" in page
    assert "50.00 %" in page
    assert "1 of a's clips have too little voice" in page


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a\tyn\tIs it?\nIt is.", "line 2: 1 fields between tabs; expected name, kind and text"),
        ("It is.\na\tyn\tIs it?", "line 2: 3 fields between tabs; expected a text alone"),
        ("a\tIs it?", "line 1: 2 fields between tabs; expected name, kind and text"),
        ("a\tyn\tIs it?\na\tst\tIt is.", "line 2: a line before is named 'a'"),
        ("../a\tyn\tIs it?", "name '../a', kind 'yn'; expected letters, digits, - and _"),
    ],
)
def test_texts_with_a_wrong_layout_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "texts").write_text(lines, "utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        clips_of_texts(tmp_path / "texts")


def test_neither_direction_of_an_ending_is_better() -> None:
    up = Paired(Estimate(0.3, 0.2, 0.4), 0.001, 40)
    assert [verdict(m, up) for m in (RISES, "question mark, base", "PLCMOS")] == [
        "higher", "higher", "better",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("only", "message"),
    [(["ears"], "judge 'ears' is unknown; expected one of"), (["question"], "pass --whisper DIR")],
)
def test_unknown_judges_are_refused(tmp_path: Path, only: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_panel(tmp_path, only=only)


def test_a_chosen_judge_is_used_alone() -> None:
    panel = load_panel(Path("nowhere"), only=["plcmos"])
    assert [judge.name for judge in panel.judges] == ["PLCMOS"]
    assert not panel.recognizers
    assert not panel.measures


def test_the_kept_texts_are_of_four_kinds_without_digits() -> None:
    clips = clips_of_texts(TEXTS)
    assert Counter(clip.kind for clip in clips) == {"yn": 40, "wh": 20, "st": 40, "dq": 40}
    assert set(KINDS) == {clip.kind for clip in clips}
    for clip in clips:
        assert not re.search(r"\d", clip.text)
        assert clip.text.endswith("." if clip.kind == "st" else "?")


def test_the_kept_texts_are_in_nothing_that_voices_learn_from() -> None:
    kept = {" ".join(words_of(clip.text)): clip.text for clip in clips_of_texts(TEXTS)}
    assert len(kept) == 140
    known = [*demo.HELD_OUT_TEXTS]
    written = [*ROOT.glob("recipe/texts/*.csv"), *SHARED.glob("texts/*.csv")]
    for path in [*written, SHARED / "data" / "ljspeech" / "metadata.csv"]:
        if path.is_file():
            known += [line.rpartition("|")[2] for line in path.read_text("utf-8").splitlines()]
    found = {" ".join(words_of(sentence)) for text in known for sentence in [text, *parts(text)]}
    assert not [text for words, text in kept.items() if words in found]


def parts(text: str) -> list[str]:
    """The sentences of a text."""
    return re.split(r"(?<=[.?!])\s+", text)
