"""Writing a prepared corpus: clips are measured one by one, then packed into arrays."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import MEL_BANDS, Waveform
from dlpo.data.dataset import (
    DTYPES,
    FORMAT,
    LJSPEECH,
    PER_SAMPLE,
    PER_SYMBOL,
    PHASE_CYCLE,
    Arrays,
    Entry,
)
from dlpo.data.features import Features
from dlpo.frame_grid import FrameGrid
from dlpo.text.languages import LANGUAGES
from dlpo.text.symbols import SYMBOLS


def arrays_of(waveform: Waveform, features: Features) -> dict[str, NDArray[Any]]:
    """The arrays of a clip except for its symbols and durations."""
    return {
        **plain_arrays(waveform, features.energy, features.mel),
        "phase": np.floor(features.phase / (2 * np.pi) * PHASE_CYCLE).astype(np.uint16),
        "f0": features.f0,
    }


def plain_arrays(
    waveform: Waveform, energy: NDArray[np.float32], mel: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """The same without what depends on F0."""
    return {
        "audio": np.round(waveform * 32768).clip(-32768, 32767).astype(np.int16),
        "energy": energy,
        "mel": mel.astype(np.float16),
    }


@dataclass(frozen=True, slots=True)
class ClipSource:
    """An utterance on its way into a dataset."""

    id: str
    split: str
    text: str
    voice: str
    """see `Entry`"""
    load: Callable[[], Arrays]


def pack(
    path: Path,
    clips: Sequence[ClipSource],
    left_out: dict[str, str],
    corpus: str,
    grid: FrameGrid,
    origin: str | None = None,
    language: str = LANGUAGES[0],
) -> None:
    """Write the arrays and the index; each clip is loaded twice, one at a time.

    Args:
        path: directory of the dataset.
        clips: in the order of the dataset; all have the same arrays.
        left_out: id -> why it is not in the dataset.
        corpus: name for the index.
        grid: of the clips.
        origin: what the speech is and its licence, see `describe_speech`; None: LJSpeech.
        language: of the speech, BCP 47.
    """
    sizes: dict[str, int] = defaultdict(int)
    entries = []
    for clip in clips:
        counts = {name: len(array) for name, array in clip.load().items()}
        of_frames = "energy" if "energy" in counts else "f0"
        entries.append(
            Entry(
                clip.id,
                clip.split,
                clip.text,
                clip.voice,
                first_symbol=sizes["symbols"],
                symbols=counts["symbols"],
                first_frame=sizes[of_frames],
                frames=counts[of_frames],
            )
        )
        for name, count in counts.items():
            sizes[name] += count
    out = {
        name: np.lib.format.open_memmap(
            path / f"{name}.npy",
            mode="w+",
            dtype=dtype,
            shape=(sizes[name], MEL_BANDS) if name == "mel" else (sizes[name],),
        )
        for name, dtype in DTYPES.items()
        if name in sizes
    }
    for entry, clip in zip(entries, clips, strict=True):
        for name, array in clip.load().items():
            first = entry.first_symbol if name in PER_SYMBOL else entry.first_frame
            first *= grid.hop_length if name in PER_SAMPLE else 1
            out[name][first : first + len(array)] = array
    for array in out.values():
        array.flush()
    index = {
        "format": FORMAT,
        "corpus": corpus,
        "origin": origin or LJSPEECH,
        "sample_rate_hz": grid.sample_rate_hz,
        "hop_length": grid.hop_length,
        "symbols": list(SYMBOLS),
        "lacks": [name for name in DTYPES if name not in sizes],
        "utterances": [asdict(entry) for entry in entries],
        "left_out": left_out,
    }
    if language != LANGUAGES[0]:  # an absent one is the first, as in earlier datasets
        index["language"] = language
    unfinished = path / "dataset.json.part"
    unfinished.write_text(json.dumps(index, ensure_ascii=False))
    unfinished.replace(path / "dataset.json")
