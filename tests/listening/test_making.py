"""A test's folder, of which raters see nothing that tells, and preference pairs made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import read_wav
from dlpo.data.preferences import read_pairs
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo_bench.clips import Clip
from dlpo_bench.listening.answers import AnswerKey, Collected, RaterAnswer, read_key
from dlpo_bench.listening.making import export_pairs, make_test
from dlpo_bench.loudness import TARGET_LUFS, integrated_loudness
from tests.listening.conftest import Ballot

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

CLIPS = [Clip(f"c{n}", f"Sentence {n}.", None) for n in range(16)]


def noise(name: str) -> Callable[[Clip], Any]:
    def system(clip: Clip) -> Any:
        draw = np.random.default_rng(sum((name + clip.clip_id).encode()))
        return (draw.standard_normal(11_025) * draw.uniform(0.01, 0.3)).astype(np.float32)

    return system


def data_of(folder: Path) -> dict[str, Any]:
    html = (folder / "page" / "index.html").read_text("utf-8")
    (content,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.S)
    return dict(json.loads(content))


def test_every_clip_is_a_pair_in_random_order(tmp_path: Path) -> None:
    key = make_test({"x": noise("x"), "y": noise("y")}, CLIPS, tmp_path / "t", seed=3)

    assert sorted(trial.clip_id for trial in key.trials) == sorted(clip.clip_id for clip in CLIPS)
    assert all(set(trial.sounds.values()) == {"a", "b"} for trial in key.trials)
    assert read_key(tmp_path / "t") == key
    assert 3 <= sum(next(iter(trial.sounds.values())) == "a" for trial in key.trials) <= 13


def test_the_page_has_no_names_of_systems_or_clips(folder: Path, key: AnswerKey) -> None:
    files = [path for path in (folder / "page").rglob("*") if path.is_file()]
    names = " ".join(path.name for path in files)
    shown = json.dumps(data_of(folder))

    for telling in ("hum", "buzz", "line-", str(key.seed) + ","):
        assert telling not in shown.replace("Hum.", "")
        assert telling not in names
    assert data_of(folder)["trials"][0].keys() == {"trial", "text", "sounds"}
    assert not (folder / "page" / "key.json").exists()


def test_all_sounds_are_at_one_loudness(folder: Path, key: AnswerKey) -> None:
    for trial in key.trials:
        for name in trial.sounds:
            waveform, rate = read_wav(folder / "page" / "audio" / f"{name}.wav")
            assert rate == RATE_HZ
            assert integrated_loudness(waveform, rate) == pytest.approx(TARGET_LUFS, abs=0.3)


def test_the_seed_decides_everything_and_none_is_secret(tmp_path: Path) -> None:
    systems = {"x": noise("x"), "y": noise("y")}
    one = make_test(systems, CLIPS[:2], tmp_path / "1", seed=7)
    again = make_test(systems, CLIPS[:2], tmp_path / "2", seed=7)
    other, another = (make_test(systems, CLIPS[:2], tmp_path / n) for n in ("3", "4"))

    assert one == again
    assert len({one.test_id, other.test_id, another.test_id}) == 3
    assert other.seed != another.seed


def test_a_folder_in_use_is_left_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="so that no answers are lost"):
        make_test({"x": noise("x"), "y": noise("y")}, CLIPS, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="in use"):
        make_test({"x": noise("x"), "y": noise("y")}, CLIPS, tmp_path / "file")
    with pytest.raises(InputError, match="can't write"):
        make_test({"x": noise("x"), "y": noise("y")}, CLIPS[:1], tmp_path / "file" / "t")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9}, {"trials": []}, {"trials": [{"trial_id": 1}]}, {"systems": {"a": "x"}},
        {"more": 1},
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_refused(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "key.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    expected = "is 9; .* read it with the dlpo" if "format" in change else "make the test again"
    with pytest.raises(DataError, match=expected):
        read_key(folder)


@pytest.fixture
def sitting(ballot: Ballot) -> list[RaterAnswer]:
    return ballot.sitting(7, "Ann", ["a", "same", "b"])


def test_each_decided_answer_is_a_pair(
    folder: Path, ballot: Ballot, sitting: list[RaterAnswer], tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "pairs.jsonl"

    assert export_pairs(folder, ballot.key, Collected(tuple(sitting), ()), out) == 2

    first, second = read_pairs(out)
    pairs = ballot.key.trials
    assert (first.text, second.text) == (pairs[0].text, pairs[2].text)
    assert (first.winner_system, first.loser_system) == ("hum", "buzz")
    assert (second.winner_system, second.loser_system) == ("buzz", "hum")
    assert (first.rater, first.session) == ("Ann", f"{7:032x}")
    for pair, trial, liked in ((first, pairs[0], "a"), (second, pairs[2], "b")):
        for wav, side in ((pair.winner, liked), (pair.loser, "b" if liked == "a" else "a")):
            (name,) = [name for name, of in trial.sounds.items() if of == side]
            heard, rate = read_wav(folder / "page" / "audio" / f"{name}.wav")
            assert rate == RATE_HZ
            assert np.array_equal(read_wav(wav)[0], heard)
    assert len(list((tmp_path / "deep" / "pairs").iterdir())) == 4


def test_answers_without_a_preference_yield_no_pairs(
    folder: Path, ballot: Ballot, sitting: list[RaterAnswer], tmp_path: Path
) -> None:
    equal = Collected(tuple(replace(answer, choice="same") for answer in sitting), ())
    out = tmp_path / "pairs.jsonl"

    with pytest.raises(DataError, match="nothing to learn from"):
        export_pairs(folder, ballot.key, equal, out)
    assert not out.exists()
