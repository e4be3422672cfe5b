"""A failed allocation is an error of ours; anything else stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlpo.errors import BundleError
from dlpo_export.pipeline import naming_lack_of_memory

ABSURD = 1 << 47  # floats; more than any address space


@pytest.mark.parametrize("allocate", [lambda: torch.empty(ABSURD), lambda: np.empty(ABSURD)])
def test_lack_of_memory_says_what_to_do(allocate: Callable[[], Any]) -> None:
    with (
        pytest.raises(BundleError, match=r"exporting lite: out of memory .*Export fewer"),
        naming_lack_of_memory("exporting lite"),
    ):
        allocate()


def test_lack_of_memory_is_found_behind_the_exporters_own_error() -> None:
    def fail() -> None:
        try:
            np.empty(ABSURD)
        except MemoryError as error:
            raise RuntimeError("Failed to export the model") from error

    with (
        pytest.raises(BundleError, match="exporting lite: out of memory"),
        naming_lack_of_memory("exporting lite"),
    ):
        fail()


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="another trouble"), naming_lack_of_memory("exporting"):
        raise RuntimeError("another trouble")
