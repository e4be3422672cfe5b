"""A tiny voice in every precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

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


@pytest.fixture(scope="module")
def inputs() -> dict[str, NDArray[np.float32]]:
    """What a denoiser of the tiny voice takes, 7 frames."""
    generator = np.random.default_rng(5)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300), "noise": (1, 1, 7, 300)}
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}
