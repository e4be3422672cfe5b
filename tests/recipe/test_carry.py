"""What goes to a machine without a network and comes back is what it was."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipe.carry import pack, speech, unpack
from tests.recipe.hums import write_hums


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    """A humming corpus with packed alignments."""
    write_hums(tmp_path / "hum")
    return tmp_path / "hum"


def test_speech_comes_back_at_its_rate_and_in_place(hum: Path, tmp_path: Path) -> None:
    speech(hum, tmp_path / "speech.tar", megabytes=24.0)
    unpack(tmp_path / "speech.tar", tmp_path / "there")
    assert (tmp_path / "there/metadata.csv").read_bytes() == (hum / "metadata.csv").read_bytes()
    for clip in (hum / "wavs").iterdir():
        before, rate_hz = soundfile.read(clip)
        after, same_rate_hz = soundfile.read(tmp_path / f"there/wavs/{clip.stem}.flac")
        assert same_rate_hz == rate_hz
        assert abs(len(after) - len(before)) <= 1
        size = min(len(before), len(after))
        noise = np.square(after[:size] - before[:size]).sum() / np.square(before).sum()
        assert noise < 0.1  # 10 dB: no delay, no other clip


def test_no_more_clips_are_carried_than_fit(hum: Path, tmp_path: Path) -> None:
    texts = sum((hum / name).stat().st_size for name in ("metadata.csv", "alignments.tsv.xz"))
    speech(hum, tmp_path / "speech.tar", megabytes=(texts + 12_000) / 1e6)
    with tarfile.open(tmp_path / "speech.tar") as tar:
        clips = [name for name in tar.getnames() if name.startswith("wavs/")]
    assert 1 <= len(clips) < 4


def test_results_are_checkpoints_and_logs_without_states(tmp_path: Path) -> None:
    for name in ("arm/checkpoint/model", "arm/state/optimizer", "arm/log.jsonl", "data/heart/mel"):
        file = tmp_path / "runs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    pack(tmp_path / "runs", tmp_path / "out/results.tar.gz")
    with tarfile.open(tmp_path / "out/results.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["arm/checkpoint/model", "arm/log.jsonl"]
