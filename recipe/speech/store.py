"""Spoken clips on disk: 24 kHz FLAC, the teacher's own pitch, and a row each in a manifest.

    ROOT/VOICE/wavs/ID.flac    24,000 Hz, mono, 16 bit, as the teacher gave it
    ROOT/VOICE/f0/ID.npy       float16, Hz, 80 a second, the pitch that the teacher spoke with
    ROOT/VOICE/clips.jsonl     a row for each clip, or the reason why there is none

Where only durations and pitch are asked for, there are no FLACs and rows say nothing of the sound.
The row is written last, so a clip with a row is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from recipe.speech.endings import ending
from recipe.speech.texts import Text

RATE = 24_000  # Hz
FRAME = 600  # samples that the teacher counts durations in
PEAK = 0.99  # louder clips are turned down, and their gain is in the row


@dataclass(frozen=True, slots=True)
class Sentence:
    """One spoken sentence."""

    letters: str
    """misaki's phonemes, as the teacher got them"""
    words: Sequence[str]
    """of each letter the word of the text that it was read from"""
    frames: Sequence[int]
    """(letters + 2,) of FRAME samples: the silence before, each letter, the silence after"""
    waveform: NDArray[np.float32] | None
    """(T,) at RATE; None where only durations and pitch are asked for"""
    f0: NDArray[np.float32]
    """(2 * frames,) Hz"""


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest of a voice's folder; nothing where it has none."""
    file = folder / "clips.jsonl"
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def repair(folder: Path) -> None:
    """Cut off a last row that an interruption left half written."""
    file = folder / "clips.jsonl"
    raw = file.read_bytes() if file.exists() else b""
    if raw and not raw.endswith(b"\n"):
        with file.open("r+b") as stream:
            stream.truncate(raw.rfind(b"\n") + 1)


def write_clip(
    folder: Path, text: Text, sentences: Sequence[Sentence], engine: str
) -> dict[str, Any]:
    """Store a clip's pitch, and its sound where it has one; returns its row for `append`."""
    heard = _write_sound(folder / "wavs" / f"{text.id}.flac", sentences)
    f0 = np.concatenate([s.f0 for s in sentences]).astype(np.float16)
    with replacing(folder / "f0" / f"{text.id}.npy") as part, part.open("wb") as stream:
        np.save(stream, f0)
    return {
        "id": text.id, "pool": text.pool, "text": text.text, "engine": engine,
        "samples": FRAME * sum(int(count) for s in sentences for count in s.frames),
        "begins_open": text.begins_open, "ends_open": text.ends_open, **heard,
        "sentences": [
            {
                "letters": s.letters,
                "words": [[word, len(list(run))] for word, run in groupby(s.words)],
                "frames": [int(count) for count in s.frames],
            }
            for s in sentences
        ],
    }  # fmt: skip


def _write_sound(file: Path, sentences: Sequence[Sentence]) -> dict[str, Any]:
    """Store a clip's sound; returns what its row says of it, nothing if there is none."""
    waveforms = [s.waveform for s in sentences if s.waveform is not None]
    if not waveforms:
        return {}
    waveform = np.concatenate(waveforms)
    peak = float(np.abs(waveform).max())
    gain = min(1.0, PEAK / peak) if peak else 1.0
    with replacing(file) as part:
        whole = np.round(waveform * (gain * 32767)).astype(np.int16)
        soundfile.write(part, whole, RATE, format="FLAC", subtype="PCM_16")
    end = ending(waveforms[-1], sentences[-1].f0)
    return {
        "peak": round(peak * gain, 4), "gain": round(gain, 4), "creaky": end.creaky,
        "end_periodicity": end.periodicity, "end_f0_ratio": end.f0_ratio,
    }  # fmt: skip


def skipped(text: Text, why: str) -> dict[str, Any]:
    """The row of a text that can't be spoken, so that it isn't tried again."""
    return {"id": text.id, "pool": text.pool, "text": text.text, "skipped": why}


def append(folder: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a voice's manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "clips.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


class replacing:
    """A path to write to that takes a file's place when all went well."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._part = file.with_suffix(".part")

    def __enter__(self) -> Path:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        return self._part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._part.replace(self._file)
