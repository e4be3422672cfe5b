"""What a machine without a network gets, and what it gives back.

    python -m recipe.carry speech CORPUS .gpu/speech.tar --megabytes 16   # here: clips as Opus
    python -m recipe.carry unpack .gpu/speech.tar CORPUS                  # there: FLAC again
    python -m recipe.carry pack RUNS OUT/results.tar                      # there: checkpoints, logs
    python -m recipe.carry unpack OUT/results.tar RUNS                    # here

A corpus has LJSpeech's layout and `alignments.tsv.xz`.
"""

from __future__ import annotations

import io
import json
import tarfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import soundfile
import soxr
import typer

from dlpo.errors import InputError

OPUS_HZ = 48_000
OPUS_EFFORT = 0.9  # of 0..1: some 34 kbit/s
AT_ONCE = 128  # clips to encode before looking whether more fit
FORMAT = "recipe.json"  # in the archive: the corpus's sample rate
BESIDE = ("metadata.csv", "alignments.tsv.xz")
KEPT = ("checkpoint/*", "*.json", "*.jsonl")  # of each run
# How to unpack what may be from elsewhere. Python before 3.11.4 can't refuse links and paths.
DATA_ONLY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def speech(
    corpus: Path,
    archive: Path,
    megabytes: Annotated[float, typer.Option(help="At most: the first clips.")] = 16.0,
) -> None:
    """Clips of a corpus as Opus, with their texts and alignments."""
    clips = sorted((corpus / "wavs").glob("*.*"))
    if not clips:
        raise InputError(f"{corpus / 'wavs'}: no clips; expected a corpus in LJSpeech's layout")
    left = megabytes * 1e6
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for name in BESIDE:
            tar.add(corpus / name, name)
            left -= (corpus / name).stat().st_size
        _add(tar, FORMAT, json.dumps({"rate_hz": soundfile.info(clips[0]).samplerate}).encode())
        with ProcessPoolExecutor() as pool:
            for first in range(0, len(clips), AT_ONCE):
                some = clips[first : first + AT_ONCE]
                for clip, sound in zip(some, pool.map(_opus, some, chunksize=8), strict=True):
                    if left < len(sound) + 1024:
                        return
                    _add(tar, f"wavs/{clip.stem}.opus", sound)
                    left -= len(sound) + 1024


@app.command()
def unpack(archive: Path, out: Path) -> None:
    """An archive's files; its clips at the rate of their corpus, as FLAC."""
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(out, **DATA_ONLY)
    opus = sorted(out.glob("wavs/*.opus"))
    if opus:
        rate_hz = int(json.loads((out / FORMAT).read_text())["rate_hz"])
        with ProcessPoolExecutor() as pool:
            list(pool.map(_flac, opus, [rate_hz] * len(opus), chunksize=16))


@app.command()
def pack(runs: Path, archive: Path) -> None:
    """Checkpoints, settings and logs of all runs, without their states."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for pattern in KEPT:
            for file in sorted({*runs.glob(pattern), *runs.glob(f"*/{pattern}")}):
                if "data" not in file.relative_to(runs).parts[:1]:
                    tar.add(file, file.relative_to(runs))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _opus(clip: Path) -> bytes:
    samples, rate_hz = soundfile.read(clip, dtype="float32")
    sound = io.BytesIO()
    soundfile.write(
        sound, soxr.resample(samples, rate_hz, OPUS_HZ), OPUS_HZ, format="OGG", subtype="OPUS",
        compression_level=OPUS_EFFORT,
    )  # fmt: skip
    return sound.getvalue()


def _flac(clip: Path, rate_hz: int) -> None:
    samples, opus_hz = soundfile.read(clip, dtype="float32")
    made = soxr.resample(samples, opus_hz, rate_hz).clip(-1, 1)
    soundfile.write(clip.with_suffix(".flac"), made, rate_hz, format="FLAC", subtype="PCM_16")
    clip.unlink()


if __name__ == "__main__":
    app()
