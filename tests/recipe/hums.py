"""A humming corpus as the recipes take it: alignments packed, held-out clips of other words."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import numpy as np

from dlpo.data.features import measure
from dlpo.data.ljspeech import read_clip
from dlpo.frame_grid import FrameGrid
from scripts.humming_corpus import write_corpus

HELD_OUT = ("LJ002-0161", "LJ002-0181")
MORE = "LJ002-0001"  # of the room of the held-out ones, to train on


def write_hums(root: Path) -> None:
    """Write LJSpeech's layout with `alignments.tsv.xz` to a new directory."""
    write_corpus(root)
    shutil.copy(root / f"wavs/{HELD_OUT[0]}.wav", root / f"wavs/{MORE}.wav")
    for name in ("metadata.csv", "alignments.tsv"):
        lines = (root / name).read_text().splitlines()
        lines += [line.replace(HELD_OUT[0], MORE) for line in lines if HELD_OUT[0] in line]
        for at, line in enumerate(lines):  # no prompt has the words of what is held out
            if line.startswith(HELD_OUT):
                lines[at] = line.replace("Hum,", "Ham,").replace("hum:1-4", "ham:1-4")
        (root / name).write_text("\n".join(lines) + "\n")
    table = (root / "alignments.tsv").read_bytes()
    (root / "alignments.tsv.xz").write_bytes(lzma.compress(table))


def write_pitch(corpus: Path, out: Path) -> None:
    """Write what a corpus at 24 kHz has without its sound to a new directory."""
    grid = FrameGrid(24_000, 300)
    (out / "f0").mkdir(parents=True)
    for clip in (corpus / "wavs").iterdir():
        np.save(out / "f0" / f"{clip.stem}.npy", measure(read_clip(clip, grid), grid).f0)
    for table in ("metadata.csv", "alignments.tsv.xz"):
        shutil.copy(corpus / table, out)
    (out / "not_pitch.txt").write_text("")
