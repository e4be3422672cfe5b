"""A tuned voice belongs to the chain that it was tuned on."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from dlpo.checkpoint import Tuned, load_checkpoint
from dlpo_export.options import ExportOptions
from dlpo_export.pipeline import warn_of_another_chain


@pytest.mark.parametrize(
    ("schedule", "eta", "warnings"), [("cosine:1.25", 0.7, 0), ("cosine", 0.7, 1), ("cosine", 0, 1)]
)
def test_export_warns_of_another_chain(
    schedule: str,
    eta: float,
    warnings: int,
    tiny_checkpoint: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    base = load_checkpoint(tiny_checkpoint)
    tuned = Tuned("dlpo", "distillmos=1", "cosine:1.25", 2, 0.7, 100, base.sha256)
    checkpoint = replace(base, provenance=replace(base.provenance, tuned=tuned))
    with caplog.at_level(logging.WARNING):
        warn_of_another_chain(
            checkpoint, ExportOptions(steps=(2,), default_steps=2, schedule=schedule, eta=eta)
        )
    assert len(caplog.records) == warnings
