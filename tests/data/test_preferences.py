"""Files of preference pairs: written, read back, and refused where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import write_wav
from dlpo.data.preferences import PreferencePair, read_pairs, write_pairs
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID

RATE_HZ = PUBLISHED_GRID.sample_rate_hz


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pairs").mkdir()
    for name, level in (("good", 0.5), ("bad", -0.25)):
        write_wav(tmp_path / "pairs" / f"{name}.wav", np.full(600, level, np.float32), RATE_HZ)
    return tmp_path


def pair_in(folder: Path) -> PreferencePair:
    good, bad = folder / "pairs" / "good.wav", folder / "pairs" / "bad.wav"
    return PreferencePair("Héllo.\u2028", good, bad, "tuned", "lj", "r1", "s1")


def test_pairs_are_read_as_they_were_written(folder: Path) -> None:
    pair = pair_in(folder)

    assert write_pairs(folder / "pairs.jsonl", [pair, pair]) == 2
    moved = folder.rename(folder.with_name(folder.name + "-moved"))

    assert read_pairs(moved / "pairs.jsonl") == [pair_in(moved)] * 2
    pair = pair_in(moved)
    winner, loser = pair.waveforms(RATE_HZ)
    assert winner == pytest.approx(np.full(600, 0.5), abs=1e-4)
    assert loser == pytest.approx(np.full(600, -0.25), abs=1e-4)


def test_only_text_and_wavs_are_required(folder: Path) -> None:
    row = {"text": "A.", "winner": "pairs/good.wav", "loser": "pairs/bad.wav"}
    (folder / "by-hand.jsonl").write_text(json.dumps(row) + "\n\n", "utf-8")

    (pair,) = read_pairs(folder / "by-hand.jsonl")

    assert (pair.text, pair.rater, pair.winner) == ("A.", "", folder / "pairs" / "good.wav")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (None, "dlpo listen export"),
        ("", "holds no pair"),
        ("{", ":1: not JSON"),
        ("[]", "expected an object"),
        ('{"text": 1}', "values are strings"),
        ('{"text": "A.", "winner": "pairs/good.wav"}', "missing keys ['loser']"),
        ('{"text": "", "winner": "w", "loser": "l"}', "missing keys ['text']"),
        ('{"text": "A.", "winner": "w", "loser": "l", "who": "me"}', "unknown keys ['who']"),
        ('{"text": "A.", "winner": "../w.wav", "loser": "pairs/bad.wav"}', "points outside"),
        ('{"text": "A.", "winner": "/etc/passwd", "loser": "pairs/bad.wav"}', "points outside"),
        ('{"text": "A.", "winner": "gone.wav", "loser": "pairs/bad.wav"}', "there is no"),
    ],
)
def test_a_damaged_file_is_refused_by_line(
    folder: Path, content: str | None, reported: str
) -> None:
    path = folder / "pairs.jsonl"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    assert reported in str(caught.value)


def test_a_wav_of_another_rate_or_without_samples_is_refused(folder: Path) -> None:
    pair = pair_in(folder)
    for samples, rate, message in (
        (600, 16_000, "16000 Hz; expected 22050"),
        (0, 22_050, "no samp"),
    ):
        write_wav(pair.winner, np.zeros(samples, np.float32), rate)
        with pytest.raises(DataError, match=message):
            pair.waveforms(RATE_HZ)


def test_wavs_outside_of_the_folder_are_not_written(folder: Path) -> None:
    with pytest.raises(InputError, match="copy it there first"):
        write_pairs(folder / "deeper" / "pairs.jsonl", [pair_in(folder)])
