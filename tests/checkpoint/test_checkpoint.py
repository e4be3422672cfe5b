"""Checkpoints come back as they were saved, or say why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dlpo.checkpoint import (
    PITCH_PAIRS,
    UNTUNED_CHAIN,
    Provenance,
    Tuned,
    load_checkpoint,
    save_checkpoint,
)
from dlpo.errors import CheckpointError


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def test_a_checkpoint_reads_back(checkpoint: Path, tmp_path: Path) -> None:
    first = load_checkpoint(checkpoint)
    assert not first.model.training
    save_checkpoint(tmp_path / "again", first.model.state_dict(), first.config, first.provenance)
    again = load_checkpoint(tmp_path / "again")
    assert (again.config, again.provenance) == (first.config, first.provenance)
    assert again.sha256 == first.sha256
    for name, value in first.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)


def test_half_precision_halves_the_file_and_computes_in_full(
    checkpoint: Path, tmp_path: Path
) -> None:
    first = load_checkpoint(checkpoint)
    save_checkpoint(
        tmp_path / "half", first.model.state_dict(), first.config, first.provenance, torch.float16
    )
    half = load_checkpoint(tmp_path / "half").model.state_dict()
    for name, value in first.model.state_dict().items():
        assert half[name].dtype == torch.float32
        assert torch.equal(half[name], value.half().float())


def edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change checkpoint.json."""
    file = path / "checkpoint.json"
    description = json.loads(file.read_text())
    change(description)
    file.write_text(json.dumps(description))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda p: (p / "model.safetensors").unlink(), "not a checkpoint"),
    "torn weights": (lambda p: (p / "model.safetensors").write_bytes(b"xyz"), "not a checkpoint"),
    "no description": (lambda p: (p / "checkpoint.json").unlink(), "not a checkpoint"),
    "not JSON": (lambda p: (p / "checkpoint.json").write_text("{"), "not a checkpoint"),
    **{
        f"JSON {text[:20]}": (
            lambda p, text=text: (p / "checkpoint.json").write_text(text),
            message,
        )
        for text, message in {
            "[]": "not a checkpoint",
            "null": "not a checkpoint",
            '"x"': "not a checkpoint",
            "[" * 100_000: "not a checkpoint",
            '{"format": 1, "config": null}': "don't belong together",
            '{"format": 1, "config": {}, "provenance": 3}': "don't belong together",
        }.items()
    },
    "newer": (lambda p: edit(p, lambda d: d.update(format=2)), "upgrade dlpo"),
    "other model": (
        lambda p: edit(p, lambda d: d["config"].update(hidden_channels=32)),  # type: ignore[attr-defined]
        "don't belong together",
    ),
    "unknown key": (
        lambda p: edit(p, lambda d: d["config"].update(hiden=1)),  # type: ignore[attr-defined]
        "unknown key 'hiden'",
    ),
    "no provenance": (lambda p: edit(p, lambda d: d.pop("provenance")), "don't belong together"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused(checkpoint: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(checkpoint)


def test_tuning_provenance_is_kept_and_absent_if_untuned(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    base = load_checkpoint(tiny_checkpoint)
    tuned = Tuned("dlpo", "distillmos=1,high_band=0.3", "cosine:1.25", 3, 0.7, 200, base.sha256)
    provenance = Provenance(0, "0" * 64, "test", tuned=tuned)
    save_checkpoint(tmp_path / "tuned", base.model.state_dict(), base.config, provenance)
    assert load_checkpoint(tmp_path / "tuned").provenance.tuned == tuned
    assert base.provenance.tuned is None
    assert "tuned" not in (tiny_checkpoint / "checkpoint.json").read_text()


def test_the_chain_is_that_of_the_last_search_or_tuning(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    base = load_checkpoint(tiny_checkpoint)
    found = ("logarithmic:1e-4:0.9@2.4", 10, 0.5)
    save_checkpoint(
        tmp_path, base.model.state_dict(), base.config, replace(base.provenance, searched=found)
    )
    searched = load_checkpoint(tmp_path).provenance
    tuned = Tuned("dlpo", "distillmos=1", "cosine", 3, 0.7, 200, base.sha256)
    assert (base.provenance.chain, searched.chain) == (UNTUNED_CHAIN, found)
    assert searched.after(tuned).chain == ("cosine", 3, 0.7)
    assert replace(searched.after(tuned), searched=found).chain == found


@pytest.mark.parametrize(("tunings", "kept"), [("sp", "s"), ("ps", "s"), ("p", ""), ("sq", "s")])
def test_a_new_pitch_has_no_tuning_of_the_old(tunings: str, kept: str) -> None:
    rewards = {"s": "distillmos=1", "p": "endings", "q": f"{PITCH_PAIRS} 0123456789ab"}
    tuned = {
        key: Tuned("dlpo", reward, "cosine", 1, 0.7, 9, key) for key, reward in rewards.items()
    }
    provenance = Provenance(7, "0" * 64, "test", "speech")
    for key in tunings:
        provenance = provenance.after(tuned[key])
    new = provenance.with_new_pitch("speech; pitch")
    assert (new.tunings, new.corpus) == (tuple(tuned[key] for key in kept), "speech; pitch")
    assert new.tuned == (tuned[kept] if kept else None)
    trained_on = replace(provenance, tuned=None, tuned_before=provenance.tunings)
    assert trained_on.with_new_pitch("speech; pitch").tuned is None
