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
    """Of a test with three pairs; of this test's own."""
    return Path(shutil.copytree(made_once, tmp_path / "test"))


@pytest.fixture
def key(folder: Path) -> AnswerKey:
    return read_key(folder)


@dataclass(frozen=True)
class Ballot:
    """Makes answers to a test."""

    key: AnswerKey

    def answer(
        self, trial: PairTrial, liked: str, *, a_first: bool = True, **fields: Any
    ) -> RaterAnswer:
        """`liked`: "a", "b" or "same"."""
        first, second = sorted(trial.sounds, key=lambda name: trial.sounds[name])
        if not a_first:
            first, second = second, first
        choices = {trial.sounds[second]: "second", trial.sounds[first]: "first", "same": "same"}
        values = {
            "test": self.key.test_id, "session": "0" * 32, "rater": "Ann",
            "trial": trial.trial_id, "first": first, "choice": choices[liked],
            "revision": 1, "plays_first": 1, "plays_second": 2, "utc": "2026-01-31T12:00:00.000Z",
        }  # fmt: skip
        return RaterAnswer(**{**values, **fields})

    def sitting(
        self, number: int, rater: str, pairs: list[str], **fields: Any
    ) -> list[RaterAnswer]:
        """Of a rater: what was liked in the pairs."""
        fields |= {"session": f"{number:032x}", "rater": rater}
        return [
            self.answer(trial, liked, a_first=n % 2 == 0, **fields)
            for n, (trial, liked) in enumerate(zip(self.key.trials, pairs, strict=False))
        ]


@pytest.fixture
def ballot(key: AnswerKey) -> Ballot:
    return Ballot(key)


@pytest.fixture
def answer(ballot: Ballot) -> RaterAnswer:
    return ballot.answer(ballot.key.trials[0], "a")
