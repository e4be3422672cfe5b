"""How rough a voice is: harmonics to noise, bursts and combs, by a module of measures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import InputError


def acoustics(path: Path) -> Any:
    """The measures' own module, which isn't part of the repository.

    Raises:
        InputError: it can't be loaded.
    """
    spec = importlib.util.spec_from_file_location("acoustics", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"--tools {path}: no such file; expected acoustics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def roughness(
    measures: Any, spoken: Sequence[Waveform], texts: Sequence[str], frame_rate: float
) -> dict[str, float]:
    """Means over clips, as `acoustics.py` defines them; the comb at the frame rate, in Hz."""
    clips = [one.astype(np.float64) for one in spoken]
    bursts = [measures.burst(*pair) for pair in zip(clips, texts, strict=True)]
    return {
        "hnr_db": float(np.nanmean([measures.hnr(one) for one in clips])),
        "burst_db": float(np.mean(bursts)),
        f"comb_{frame_rate:g}_db": measures.comb(clips, frame_rate),
    }
