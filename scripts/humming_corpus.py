"""Makes a corpus within a second: a humming voice, in LJSpeech's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlpo.audio import write_wav
from dlpo.frame_grid import PUBLISHED_GRID

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

CLIPS = ("LJ001-0001", "LJ001-0002", "LJ002-0161", "LJ002-0181")  # some of every split
LENGTH_S = 1.5
SOUNDS, DURATIONS_MS = "sil HH AH1 M sil HH AH1 M sil", "100 100 300 200 100 100 300 100 200"


def write_corpus(root: Path) -> None:
    """Write four clips with `metadata.csv` and `alignments.tsv` to a new directory."""
    (root / "wavs").mkdir(parents=True)
    said, timed = [], ["id\tphonemes\tdurations_ms\twords"]
    for number, clip in enumerate(CLIPS):
        seconds = np.arange(int(LENGTH_S * RATE_HZ)) / RATE_HZ
        phase = 2 * np.pi * (150 + 20 * number) * seconds
        hum = sum(np.cos(k * phase) / k for k in range(1, 20))
        loud = (seconds > 0.1) & (seconds < 1.3)
        write_wav(root / "wavs" / f"{clip}.wav", (0.1 * hum * loud).astype(np.float32), RATE_HZ)
        said.append(f"{clip}|Hum, hum.|Hum, hum.")
        timed.append(f"{clip}\t{SOUNDS}\t{DURATIONS_MS}\thum:1-4 hum:5-8")
    (root / "metadata.csv").write_text("\n".join(said) + "\n", "utf-8")
    (root / "alignments.tsv").write_text("\n".join(timed) + "\n", "utf-8")


def add_sentences(root: Path) -> None:
    """Nine sentences more, without recordings, that no other clip says."""
    with (root / "metadata.csv").open("a") as said, (root / "alignments.tsv").open("a") as timed:
        for number in range(9):
            count = number + 3
            said.write(f"LJ004-000{number}|x|{'Hum ' * (number + 1)}hum hum.\n")
            row = [" ".join([part] * count) for part in ("HH AH1 M", "100 300 200")]
            words = " ".join(f"hum:{3 * i}-{3 * i + 2}" for i in range(count))
            timed.write("\t".join([f"LJ004-000{number}", *row, words]) + "\n")
