"""A corpus in LJSpeech's layout at another sample rate.

    python -m recipe.recordings ../shared/data/ljspeech OUT --rate 24000

The band above half of the old rate stays empty.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import soundfile
import soxr
import typer


def main(
    corpus: Annotated[Path, typer.Argument(help="With metadata.csv and wavs/.")],
    out: Annotated[Path, typer.Argument(help="Folder of the new one.")],
    rate: Annotated[int, typer.Option(help="Hz.")] = 24_000,
) -> None:
    """Resample every clip; those that are there are kept. metadata.csv is written last."""
    (out / "wavs").mkdir(parents=True, exist_ok=True)
    for clip in sorted((corpus / "wavs").glob("*.*")):
        made = out / "wavs" / f"{clip.stem}.flac"
        if not made.exists():
            samples, rate_hz = soundfile.read(clip, dtype="float32")
            part = made.with_suffix(".part")
            resampled = soxr.resample(samples, rate_hz, rate)
            soundfile.write(part, resampled, rate, format="FLAC", subtype="PCM_16")
            part.replace(made)
    shutil.copy(corpus / "metadata.csv", out / "metadata.csv")


if __name__ == "__main__":
    typer.run(main)
