"""Symbols that no recording has take over the embedding of a relative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Dataset
from dlpo.errors import InputError
from dlpo.text.symbols import SYMBOL_IDS, SYMBOLS
from dlpo.training.unheard_symbols import heard_counts, main, relatives, share_embeddings


def counts(**heard: int) -> np.ndarray:
    found = np.zeros(len(SYMBOLS), np.int64)
    for symbol, count in heard.items():
        found[SYMBOL_IDS[symbol]] = count
    return found


def test_marks_sound_like_a_stop_or_comma_and_vowels_like_their_own_kind() -> None:
    found = counts(UH1=50, UH0=14, UH2=15, AA0=19, T=0)
    found[[SYMBOL_IDS["."], SYMBOL_IDS[","]]] = 20
    pairs = relatives(found)
    assert pairs["?"] == pairs["!"] == "."
    assert pairs["-"] == pairs[":"] == ","
    assert pairs["UH0"] == "UH1"
    assert pairs["AA1"] == "AA0"
    assert pairs.keys().isdisjoint({"UH1", "UH2", "T", "IY0", " ", "_", "^"})


def test_rows_are_copied_and_nothing_else_changes(drawing_checkpoint: Path) -> None:
    weights = load_checkpoint(drawing_checkpoint).model.state_dict()
    changed = share_embeddings(weights, {"?": "."})
    differ = {name for name in weights if not torch.equal(weights[name], changed[name])}
    assert differ == {"embedding.weight", "contour.reader.embedding.weight"}
    for name in differ:
        rows = changed[name]
        assert torch.equal(rows[SYMBOL_IDS["?"]], rows[SYMBOL_IDS["."]])
        assert torch.equal(rows[SYMBOL_IDS["!"]], weights[name][SYMBOL_IDS["!"]])
    with pytest.raises(InputError, match="expected a lite"):
        share_embeddings({}, {})


def test_only_texts_with_audio_are_counted(tiny_dataset: Path) -> None:
    found = heard_counts(Dataset(tiny_dataset))
    assert found[SYMBOL_IDS["M"]] == 4  # two clips to train on, two words each


def test_the_command_writes_a_checkpoint(
    tiny_checkpoint: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(
        app,
        [str(tiny_checkpoint), "--data", str(tiny_dataset), "--out", str(tmp_path), "--least", "2"],
    )
    assert done.exit_code == 0, done.stderr
    assert "? as ." in done.stdout
    rows = load_checkpoint(tmp_path).model.state_dict()["embedding.weight"]
    assert torch.equal(rows[SYMBOL_IDS["?"]], rows[SYMBOL_IDS["."]])
    refused = CliRunner().invoke(
        app, [str(tmp_path / "none"), "--data", str(tiny_dataset), "--out", str(tmp_path)]
    )
    assert refused.exit_code == 1
    assert "not a checkpoint" in refused.stderr
