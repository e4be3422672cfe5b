"""`dlpo tune --method dpo --pairs FILE` from the command line, on a voice of toy size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dlpo.audio import HOP_LENGTH, write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.cli import app
from dlpo.data.preferences import PreferencePair, write_pairs
from dlpo.rl.conditions import conditions_of
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd

TEXT = "Hello there."
SHORT = (
    "updates=1", "sentences=2", "group=2", "log_every=1", "longest_s=2", "save_every=1",
    "validation_sentences=1",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_slow_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlpo.rl.reward_models.JUDGES", ())


@pytest.fixture
def pairs(slow_checkpoint: Path, tmp_path: Path) -> Path:
    """Two noises of the length at which the voice says a sentence, one preferred to the other."""
    (sentence,) = TextFrontEnd().process(TEXT).sentences
    prompt = Prompt(0, TEXT, np.array(sentence.symbol_ids(), np.int64))
    frames = int(conditions_of(load_checkpoint(slow_checkpoint).model, [prompt], 0).frames[0])
    random = np.random.default_rng(0)
    for name in ("winner", "loser"):
        noise = 0.05 * random.standard_normal(frames * HOP_LENGTH)
        write_wav(tmp_path / f"{name}.wav", noise.astype(np.float32))
    pair = PreferencePair(TEXT, tmp_path / "winner.wav", tmp_path / "loser.wav")
    write_pairs(tmp_path / "pairs.jsonl", [pair])
    return tmp_path / "pairs.jsonl"


@pytest.fixture
def run(slow_checkpoint: Path, wordy_dataset: Path, tmp_path: Path) -> Any:
    def run(*options: str | Path) -> Result:
        words = ["tune", slow_checkpoint, "--data", wordy_dataset, "--out", tmp_path / "run"]
        words += [word for setting in SHORT for word in ("--set", setting)]
        words += ["--reward", "loudness", "--weights", tmp_path, *options]
        return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)

    return run


def test_a_run_says_which_pairs_it_learnt_from_and_goes_on_with_no_others(
    run: Any, pairs: Path, tmp_path: Path
) -> None:
    result = run("--method", "dpo", "--pairs", pairs)
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    tuned = load_checkpoint(tmp_path / "run" / "checkpoint").provenance.tuned
    assert tuned is not None
    assert tuned.reward == f"preference pairs {told['pairs_sha256'][:12]}"
    pairs.write_text(pairs.read_text() * 2)
    again = run("--method", "dpo", "--pairs", pairs)
    assert again.exit_code == 1
    assert "holds a run with pairs_sha256" in again.stderr


def test_a_method_that_learns_from_rewards_refuses_pairs(run: Any, pairs: Path) -> None:
    result = run("--method", "dlpo", "--pairs", pairs)
    assert result.exit_code == 1
    assert "dlpo doesn't learn from preference pairs; choose method dpo" in result.stderr


def test_pairs_that_no_voice_of_this_kind_said_are_refused(
    run: Any, pairs: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "winner.wav", np.full(4 * 22_050, 0.1, np.float32))
    result = run("--method", "dpo", "--pairs", pairs)
    assert result.exit_code == 1
    assert "none of 1 preference pairs fits the voice" in result.stderr
    assert "another pace" in result.stderr


def test_a_damaged_file_of_pairs_is_named_with_its_line(run: Any, pairs: Path) -> None:
    pairs.write_text("not JSON\n")
    result = run("--method", "dpo", "--pairs", pairs)
    assert result.exit_code == 1
    assert "pairs.jsonl:1: not JSON" in result.stderr


def test_a_file_of_pairs_that_is_not_there_is_wrong_usage(run: Any, tmp_path: Path) -> None:
    assert run("--method", "dpo", "--pairs", tmp_path / "none.jsonl").exit_code == 2
