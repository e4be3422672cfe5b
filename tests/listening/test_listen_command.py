"""`dlpo listen` from the making of a test to the pairs that it yields."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import write_wav
from dlpo.data.preferences import read_pairs
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo_bench.listening.answers import read_key
from dlpo_bench.listening.making import open_pair
from tests.callers import command
from tests.listening.conftest import Ballot

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

listen = partial(command, "listen")


@pytest.fixture
def wavs(tmp_path: Path) -> Callable[..., Path]:
    """`wavs("theirs", "c1", "c2")`: a folder with noise under these names."""

    def make(name: str, *clips: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for n, clip in enumerate(clips):
            draw = np.random.default_rng(n + sum(name.encode()))
            noise = 0.1 * draw.standard_normal(RATE_HZ // 2)
            write_wav(folder / f"{clip}.wav", noise.astype(np.float32), RATE_HZ)
        return folder

    return make


def test_folders_are_compared_by_their_common_clips(
    wavs: Callable[..., Path], tmp_path: Path
) -> None:
    ours, theirs = wavs("ours", "c1", "c2", "c3"), wavs("theirs", "c2", "c3", "c4")

    result = listen(f"new={ours}", f"old={theirs}", "--out", tmp_path / "t")

    assert result.exit_code == 0, result.stderr
    assert "2 pairs\n" in result.stdout
    key = read_key(tmp_path / "t")
    assert key.systems == {"a": "new", "b": "old"}
    assert {trial.clip_id for trial in key.trials} == {"c2", "c3"}


def test_voices_and_checkpoints_say_the_lines_of_a_file(
    tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    long = ["hum " * 20, "ho " * 25]  # the toy voice is quick
    (tmp_path / "texts").write_text(f"{long[0]}\n\n{long[1]}\nNo.\n")
    made = ("--texts", tmp_path / "texts", "--clips", "2", "--out", tmp_path / "t")

    result = listen("--seed", "1", *made, tiny_bundle, f"raw={tiny_checkpoint}")

    assert result.exit_code == 0, result.stderr
    key = read_key(tmp_path / "t")
    assert {trial.text for trial in key.trials} == {text.strip() for text in long}
    assert (key.seed, len(key.trials)) == (1, 2)


def test_two_voices_of_one_bundle_differ() -> None:
    first, second = open_pair("lj", "mine=heart")
    assert (first.about["sha256"], first.label) == (second.about["sha256"], "lj")
    assert (first.about["voice"], second.about["voice"]) == ("lj", "heart")


def test_what_cannot_be_compared_is_refused(
    tiny_bundle: Path, wavs: Callable[..., Path], tmp_path: Path
) -> None:
    ours, theirs = wavs("ours", "c1"), wavs("theirs", "c2")
    texts = tmp_path / "texts"
    texts.write_text("Hello there.\n")
    out = ("--out", tmp_path / "t")

    def message(*arguments: str | Path) -> str:
        result = listen(*arguments, *out)
        assert result.exit_code == 1
        return result.stderr

    assert "none of the 1 sentences is in" in message(ours, theirs)
    assert "name two systems that differ" in message(ours, ours)
    assert "are the same system" in message(f"x={tiny_bundle}", f"y={tiny_bundle}")
    assert "are the same system" in message(ours, f"y={ours}/../ours")
    assert "is no system" in message("nobody", ours)
    assert "expected files like line-0001.wav" in message(ours, tiny_bundle, "--texts", texts)
    assert "can't be read" in message(ours, tiny_bundle, "--corpus", tmp_path)
    assert not (tmp_path / "t").exists()


def test_report_and_export_of_sent_answers(folder: Path, ballot: Ballot, tmp_path: Path) -> None:
    first, sent = tmp_path / "x.jsonl", tmp_path / "sent.jsonl"
    first.write_text("".join(a.to_json() for a in ballot.sitting(1, "Ann", ["a"] * 3)))
    sent.write_text("".join(a.to_json() for a in ballot.sitting(2, "Bob", ["a", "b"])) + "{\n")

    result = listen("report", folder, first, sent)

    assert result.exit_code == 0, result.stderr
    text = (folder / "report.md").read_text()
    assert "| hum | 4 | 80% [28%, 99%] |" in text
    assert "**Undecided**" in text
    assert "sent.jsonl:3: not an answer" in result.stdout
    report = json.loads((folder / "report.json").read_text())
    assert (report["a"]["count"], report["raters"]) == (4, ["Ann", "Bob"])

    result = listen("export", folder, first, sent, "--out", tmp_path / "pairs.jsonl")

    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'pairs.jsonl'}: 5 pairs\n")
    assert f"left out: {sent}:3" in result.stderr
    assert {pair.rater for pair in read_pairs(tmp_path / "pairs.jsonl")} == {"Ann", "Bob"}
