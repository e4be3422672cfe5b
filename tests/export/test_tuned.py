"""A tuned voice belongs to the chain that it was tuned on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dlpo.checkpoint import Provenance, Tuned, load_checkpoint, save_checkpoint
from dlpo_export.options import ExportOptions
from dlpo_export.pipeline import export_bundle


@pytest.fixture
def tuned_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    base = load_checkpoint(tiny_checkpoint)
    tuned = Tuned("dlpo", "distillmos=1", "cosine:1.25", 2, 0.7, 100, base.sha256)
    path = tmp_path / "tuned"
    provenance = Provenance(0, "0" * 64, "test", tuned=tuned)
    save_checkpoint(path, base.model.state_dict(), base.config, provenance)
    return path


@pytest.mark.parametrize(
    ("schedule", "eta", "warnings"), [("cosine:1.25", 0.7, 0), ("cosine", 0.7, 1), ("cosine", 0, 1)]
)
def test_export_warns_of_another_chain(
    schedule: str,
    eta: float,
    warnings: int,
    tuned_checkpoint: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = ExportOptions(
        steps=(2,), default_steps=2, schedule=schedule, eta=eta, precisions=("fp32",)
    )
    with caplog.at_level(logging.WARNING, "dlpo_export.pipeline"):
        export_bundle(tuned_checkpoint, tmp_path / "bundle", options)
    said = [r.getMessage() for r in caplog.records if "tuned for 2 steps of" in r.getMessage()]
    assert len(said) == warnings
