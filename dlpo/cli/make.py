"""Commands that make a voice: prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (prepare,):
        app.command()(command)


def prepare(
    corpus: Annotated[Literal["ljspeech"], typer.Argument(help="Layout of the corpus.")],
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="With metadata.csv and wavs/.")
    ],
    alignments: Annotated[
        Path, typer.Option(exists=True, help="TSV file (.xz too), or a directory of MFA TextGrids.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the dataset to write.")],
) -> None:
    """Turn a corpus into a dataset: audio, durations, F0, energy, log-mel, source phase.

    Interrupted, it goes on where it was when called again.
    """
    from rich.progress import Progress

    from dlpo.data import ljspeech

    with Progress(transient=True) as bar:
        clips = bar.add_task("measuring clips")
        done = ljspeech.prepare(
            directory,
            alignments,
            out,
            lambda finished, total: bar.update(clips, completed=finished, total=total),
        )
    typer.echo(f"{out}: {done.with_audio} clips with audio, {done.timing_only} with timing only")
    for clip, reason in done.left_out.items():
        typer.echo(f"left out {clip}: {reason}")
