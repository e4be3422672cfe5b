"""Preference pairs: which of two renderings of a sentence a listener preferred.

`dlpo listen export` writes them and `dlpo tune --method dpo` learns from them. A file of pairs is
JSON lines in UTF-8, one pair a line; the wavs are in its folder, mono 16-bit PCM at 22,050 Hz:

    {"text": "Hello.", "winner": "pairs/0a1b.wav", "loser": "pairs/2c3d.wav",
     "winner_system": "tuned", "loser_system": "lj", "rater": "r1", "session": "9f..."}

`text`, `winner` and `loser` are required, the others optional.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from dlpo.audio import Waveform, read_wav
from dlpo.errors import DataError, InputError, reading, writing

REQUIRED = ("text", "winner", "loser")


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One decided comparison."""

    text: str
    """What both renderings say."""
    winner: Path
    """Wav of the preferred rendering; relative to the pairs file in it, resolved here."""
    loser: Path
    """Wav of the other one."""
    winner_system: str = ""
    """Name of the system that made the winner."""
    loser_system: str = ""
    """Name of the system that made the loser."""
    rater: str = ""
    """Who judged."""
    session: str = ""
    """The listening session in which it was judged."""

    def waveforms(self, rate_hz: int) -> tuple[Waveform, Waveform]:
        """(T,) and (T',) float32 of winner and loser, which may differ in length.

        Raises:
            DataError: missing, empty, or not mono 16-bit PCM at that rate.
        """
        return _read(self.winner, rate_hz), _read(self.loser, rate_hz)


def write_pairs(path: Path, pairs: Iterable[PreferencePair]) -> int:
    """Write a file of pairs, whose wavs must be in its folder or below; returns their number.

    Raises:
        InputError: the file can't be written, or a wav lies elsewhere.
    """
    lines = []
    for pair in pairs:
        row = {field.name: getattr(pair, field.name) for field in fields(pair)}
        for side in ("winner", "loser"):
            if not row[side].is_relative_to(path.parent):
                raise InputError(f"{row[side]} is outside {path.parent}; copy it there first")
            row[side] = row[side].relative_to(path.parent).as_posix()
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    with writing(path):
        path.write_text("".join(lines), "utf-8")
    return len(lines)


def read_pairs(path: Path) -> list[PreferencePair]:
    """Every pair in a file, with resolved paths to wavs that exist.

    Raises:
        DataError: unreadable, no pairs, a line that is not a pair, or a missing wav.
    """
    with reading(path, "JSON lines from 'dlpo listen export'"):
        lines = path.read_text("utf-8").split("\n")  # a text may hold U+2028
    pairs = [_parse(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise DataError(f"{path} holds no pairs; expected one JSON object per line")
    return pairs


def _parse(line: str, path: Path, number: int) -> PreferencePair:
    where = f"{path}:{number}"
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}); expected one object per line") from error
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise DataError(f"{where}: expected an object whose values are strings")
    known = {field.name for field in fields(PreferencePair)}
    missing, unknown = [name for name in REQUIRED if not row.get(name)], sorted(row.keys() - known)
    if missing or unknown:
        raise DataError(f"{where}: missing keys {missing}, unknown keys {unknown}")
    wavs = {side: _inside(path.parent, row[side], where) for side in ("winner", "loser")}
    return PreferencePair(**{**row, **wavs})


def _inside(folder: Path, name: str, where: str) -> Path:
    """The wav with that relative name, which must not lead out of the folder."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise DataError(f"{where}: {name} points outside {folder}; expected a path inside it")
    if not (folder / relative).is_file():
        raise DataError(f"{where}: there is no {folder / relative}; copy the wavs with the pairs")
    return folder / relative


def _read(path: Path, rate_hz: int) -> Waveform:
    waveform, rate = read_wav(path)
    if rate != rate_hz:
        raise DataError(f"{path}: {rate} Hz; expected {rate_hz} Hz: resample it")
    if not len(waveform):
        raise DataError(f"{path} has no samples; export the pairs again")
    return waveform
