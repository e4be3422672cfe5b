"""Answers as preference pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import SAMPLE_RATE, read_wav
from dlpo.data.preferences import read_pairs
from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import Collected
from dlpo_bench.listening.making import export_pairs


@pytest.fixture
def sitting(ballot: Any) -> list[Any]:
    return list(ballot.sitting(7, "Ann", ["a", "same", "b"]))


def test_each_decided_answer_is_a_pair(
    folder: Path, ballot: Any, sitting: list[Any], tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "pairs.jsonl"

    assert export_pairs(folder, ballot.key, Collected(tuple(sitting), ()), out) == 2

    first, second = read_pairs(out)
    pairs = ballot.of_kind("pair")
    assert (first.text, second.text) == (pairs[0].text, pairs[2].text)
    assert (first.winner_system, first.loser_system) == ("hum", "buzz")
    assert (second.winner_system, second.loser_system) == ("buzz", "hum")
    assert (first.rater, first.session) == ("Ann", f"{7:032x}")
    for pair, trial, liked in ((first, pairs[0], "a"), (second, pairs[2], "b")):
        for wav, side in ((pair.winner, liked), (pair.loser, "b" if liked == "a" else "a")):
            (name,) = [name for name, of in trial.sounds.items() if of == side]
            heard, rate = read_wav(folder / "page" / "audio" / f"{name}.wav")
            assert rate == SAMPLE_RATE
            assert np.array_equal(read_wav(wav)[0], heard)
    assert len(list((tmp_path / "deep" / "pairs").iterdir())) == 4


def test_a_later_sitting_takes_an_answer_back(
    folder: Path, ballot: Any, sitting: list[Any], tmp_path: Path
) -> None:
    again = ballot.sitting(8, "Ann", ["same", "a"])

    count = export_pairs(
        folder, ballot.key, Collected((*sitting, *again), ()), tmp_path / "pairs.jsonl"
    )

    texts = {pair.text for pair in read_pairs(tmp_path / "pairs.jsonl")}
    assert count == 2
    assert texts == {trial.text for trial in ballot.of_kind("pair")[1:]}


def test_who_does_not_listen_teaches_nothing(
    folder: Path, ballot: Any, sitting: list[Any], tmp_path: Path
) -> None:
    careless = Collected(tuple(replace(answer, choice="first") for answer in sitting), ())
    out = tmp_path / "pairs.jsonl"

    with pytest.raises(DataError, match="nothing to learn from"):
        export_pairs(folder, ballot.key, careless, out)
    assert not out.exists()
    assert export_pairs(folder, ballot.key, careless, out, trust_all=True) == 3


def test_nothing_is_overwritten(
    folder: Path, ballot: Any, sitting: list[Any], tmp_path: Path
) -> None:
    answers = Collected(tuple(sitting), ())
    export_pairs(folder, ballot.key, answers, tmp_path / "pairs.jsonl")

    with pytest.raises(InputError, match="exists"):
        export_pairs(folder, ballot.key, answers, tmp_path / "pairs.jsonl")
    with pytest.raises(InputError, match="no ending"):
        export_pairs(folder, ballot.key, answers, tmp_path / "pairs")
