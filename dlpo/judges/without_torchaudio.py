"""Importing packages that import torchaudio but don't need it for what we ask of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def without_torchaudio() -> Iterator[None]:
    """Replace torchaudio by an empty module while the block imports.

    A torchaudio built for another torch than the installed one (CUDA beside a CPU torch, say)
    would fail the import. One that is imported already stays.
    """
    stands_in = "torchaudio" not in sys.modules
    if stands_in:
        module = ModuleType("torchaudio")
        module.__spec__ = ModuleSpec(
            "torchaudio", None
        )  # some check it to see whether torchaudio exists
        sys.modules["torchaudio"] = module
    try:
        yield
    finally:
        if stands_in:
            del sys.modules["torchaudio"]
