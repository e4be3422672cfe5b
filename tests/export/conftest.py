"""What a tiny denoiser takes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="module")
def inputs() -> dict[str, NDArray[np.float32]]:
    """What a denoiser of the tiny voice takes, 7 frames."""
    generator = np.random.default_rng(5)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300), "noise": (1, 1, 7, 300)}
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}
