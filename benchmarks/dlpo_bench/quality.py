"""The body of `dlpo eval`: listen with a progress bar, print the table, write the record.

    python -m dlpo_bench.quality --wavs DIR [--wavs DIR ...]

judges any folders of wavs that are named by clip, beside the recordings.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlpo.errors import DlpoError, InputError
from dlpo_bench.clips import SUFFIXES, TEST_SPLIT, Clip, load_clips
from dlpo_bench.comparison import Quality, evaluate
from dlpo_bench.judging import load_panel
from dlpo_bench.quality_report import figures, markdown, samples, terminal_table
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.systems import RECORDINGS, System, audio_files, recordings


def compare(systems: Mapping[str, System], clips: Sequence[Clip], weights: Path) -> Quality:
    """Evaluate with a progress bar and print the table.

    Args:
        systems: name -> system; see `dlpo_bench.systems`. The recordings are added in front.
        clips: see `load_clips`.
        weights: directory of the judges' weights, see `load_panel`.

    Raises:
        InputError: see `evaluate` and `load_panel`.
        DataError: a recording or a wav is missing or damaged.
    """
    from rich.console import Console
    from rich.progress import Progress

    panel = load_panel(weights)
    systems = {RECORDINGS: recordings, **systems}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listening", total=len(systems) * len(clips))
        quality = evaluate(systems, clips, panel, lambda: bar.advance(task))
    Console().print(terminal_table(quality))
    return quality


def write_quality_record(
    quality: Quality, command: str, out_dir: Path = RECORDS, bundle_sha256: str | None = None
) -> Path:
    """Write the record, and beside it the same table in Markdown.

    Raises:
        InputError: see `write_record`.
    """
    path = write_record(
        "quality",
        figures(quality),
        command,
        out_dir,
        samples=samples(quality),
        bundle_sha256=bundle_sha256,
    )
    path.with_suffix(".md").write_text(markdown(quality), "utf-8")
    return path


def clips_in_common(directories: Sequence[Path]) -> list[str]:
    """Sorted names of the clips that each directory has as `<clip id>.wav` or `.flac`.

    Raises:
        InputError: something is no directory, or there is no such clip.
    """
    for directory in directories:
        if not directory.is_dir():
            raise InputError(f"{directory} is no directory; expected wavs named by clip")
    names = [
        {path.stem for path in directory.iterdir() if path.suffix in SUFFIXES}
        for directory in directories
    ]
    common = sorted(set.intersection(*names))
    if not common:
        raise InputError(
            f"{', '.join(map(str, directories))} have no clip in common;"
            " expected files like LJ002-0161.wav"
        )
    return common


def main(
    wavs: Annotated[
        list[Path] | None, typer.Option(help="Folder of <clip id>.wav; may be repeated.")
    ] = None,
    corpus: Annotated[Path, typer.Option(help="LJSpeech layout: texts, recordings.")] = Path(
        "../shared/data/ljspeech"
    ),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    clips: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for the record.")] = None,
) -> None:
    """Judge folders of wavs and the recordings; without a folder, the recordings alone."""
    try:
        names = clips_in_common(wavs) if wavs else TEST_SPLIT
        systems = {str(directory): audio_files(directory) for directory in wavs or []}
        quality = compare(systems, load_clips(corpus, names[:clips]), weights)
        if out is not None:
            command = shlex.join(["python", "-m", "dlpo_bench.quality", *sys.argv[1:]])
            typer.echo(f"record: {write_quality_record(quality, command, out)}")
    except DlpoError as error:
        typer.echo(f"dlpo_bench.quality: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
