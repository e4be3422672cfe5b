"""A tiny voice in every precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dlpo.bundle import Bundle


@pytest.fixture(scope="session")
def every_precision(tiny_checkpoint: Path, export_toy: Callable[..., Path]) -> Bundle:
    """The bundle of `tiny_checkpoint` for two steps, its weights rounded to 8 bits."""
    precisions = ("int8", "fp16", "int8_symmetric")
    out = tiny_checkpoint.parent / "every_precision"
    return Bundle.load(
        export_toy(
            tiny_checkpoint, out, steps=(2,), default_steps=2, weight_bits=8, precisions=precisions
        )
    )
