"""A listening test of two toy systems, and answers to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.listening.answers import AnswerKey, PairTrial, RaterAnswer, read_key
from dlpo_bench.listening.making import make_test

SECONDS = 0.45  # of each sound: the page has to play them in real time
CLIPS = [
    Clip(f"line-{n:04d}", text, None) for n, text in enumerate(("Hum.", "Hm <b>&</b>?", "Ho!"))
]


def tone(hertz: float, brightness: float) -> Waveform:
    phase = 2 * np.pi * hertz * np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.cos(k * phase) * brightness**k for k in range(1, 20)).astype(np.float32) / 20


def hum(clip: Clip) -> Waveform:
    return tone(120 + 10 * len(clip.text), 0.6)


def buzz(clip: Clip) -> Waveform:
    return 0.1 * tone(120 + 10 * len(clip.text), 0.9)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "test"
    make_test({"hum": hum, "buzz": buzz}, CLIPS, folder, seed=1)
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    """Of a test with three pairs, an identical and a degraded trial; of this test's own."""
    return Path(shutil.copytree(made_once, tmp_path / "test"))


@pytest.fixture
def key(folder: Path) -> AnswerKey:
    return read_key(folder)


@dataclass(frozen=True)
class Ballot:
    """Makes answers to a test."""

    key: AnswerKey

    def of_kind(self, kind: str) -> list[PairTrial]:
        return [trial for trial in self.key.trials if trial.kind == kind]

    def answer(
        self, trial: PairTrial, liked: str, *, a_first: bool = True, **fields: Any
    ) -> RaterAnswer:
        """`liked`: "a", "b", "degraded", "same", or "first" and "second" as they are."""
        first, second = sorted(trial.sounds, key=lambda name: (trial.sounds[name], name))
        if not a_first:
            first, second = second, first
        choices = {trial.sounds[second]: "second", trial.sounds[first]: "first", "same": "same"}
        values = {
            "test": self.key.test_id, "session": "0" * 32, "rater": "Ann",
            "trial": trial.trial_id, "first": first, "choice": choices.get(liked, liked),
            "revision": 1, "plays_first": 1, "plays_second": 2, "utc": "2026-01-31T12:00:00.000Z",
        }  # fmt: skip
        return RaterAnswer(**{**values, **fields})

    def sitting(
        self, number: int, rater: str, pairs: list[str], **fields: Any
    ) -> list[RaterAnswer]:
        """Of a rater who listens: what was liked in the pairs, and catch trials as they should."""
        fields |= {"session": f"{number:032x}", "rater": rater}
        answers = [
            self.answer(trial, liked, a_first=n % 2 == 0, **fields)
            for n, (trial, liked) in enumerate(zip(self.of_kind("pair"), pairs, strict=False))
        ]
        for trial in self.of_kind("degraded"):
            (clean,) = set(trial.sounds.values()) - {"degraded"}
            answers.append(self.answer(trial, clean, **fields))
        return answers + [self.answer(t, "same", **fields) for t in self.of_kind("identical")]


@pytest.fixture
def ballot(key: AnswerKey) -> Ballot:
    return Ballot(key)


@pytest.fixture
def answer(ballot: Ballot) -> RaterAnswer:
    return ballot.answer(ballot.of_kind("pair")[0], "a")
