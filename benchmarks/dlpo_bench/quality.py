"""The body of `dlpo eval`: compare systems on the test sentences, print, and write a record.

    python -m dlpo_bench.quality --wavs DIR [--wavs DIR ...]

scores any folders of wavs that are named by clip, beside the recordings.
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
from dlpo_bench.record import write_record
from dlpo_bench.systems import RECORDINGS, System, audio_files, recordings


def compare(
    systems: Mapping[str, System],
    clips: Sequence[Clip],
    weights: Path,
    *,
    out_dir: Path | None = None,
    bundle_sha256: str | None = None,
) -> Quality:
    """Evaluate with a progress bar, print the table, and write the record where one is wanted.

    Args:
        systems: see `evaluate`.
        clips: see `load_clips`.
        weights: directory of the judges' weights, see `load_panel`.
        out_dir: where the record goes, as JSON and as Markdown; none is written without it.
        bundle_sha256: of the bundle under test, for the record.

    Raises:
        InputError: see `evaluate`, `load_panel` and `write_record`.
    """
    from rich.console import Console
    from rich.progress import Progress

    panel = load_panel(weights)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listening", total=len(systems) * len(clips))
        quality = evaluate(systems, clips, panel, lambda: bar.advance(task))
    console = Console()
    console.print(terminal_table(quality))
    if out_dir is not None:
        path = write_record(
            "quality", figures(quality), shlex.join(sys.argv), out_dir,
            samples=samples(quality), bundle_sha256=bundle_sha256,
        )  # fmt: skip
        path.with_suffix(".md").write_text(markdown(quality), "utf-8")
        console.print(f"record: {path}")
    return quality


def evaluate_directories(
    directories: Sequence[Path],
    corpus: Path,
    weights: Path,
    *,
    with_recordings: bool = True,
    clips: int | None = None,
    out_dir: Path | None = None,
) -> Quality:
    """Compare folders of `<clip id>.wav` on the clips that all of them have.

    Args:
        directories: one for each system; their names name the systems.
        corpus: LJSpeech layout, for the texts and the recordings.
        weights: see `load_panel`.
        with_recordings: judge the recordings of the same clips too.
        clips: only the first so many, for a quick look.
        out_dir: see `compare`.

    Raises:
        InputError: no clip is in all directories.
        DataError: see `load_clips`.
    """
    names = [_clip_ids(directory) for directory in directories]
    common = sorted(set.intersection(*names)) if names else list(TEST_SPLIT)
    if not common:
        raise InputError(
            f"{', '.join(map(str, directories))} have no clip in common;"
            " expected files like LJ002-0161.wav"
        )
    chosen = load_clips(corpus, common[:clips])
    systems: dict[str, System] = {RECORDINGS: recordings} if with_recordings else {}
    systems |= {str(directory): audio_files(directory) for directory in directories}
    return compare(systems, chosen, weights, out_dir=out_dir)


def _clip_ids(directory: Path) -> set[str]:
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory; expected wavs named by clip")
    return {path.stem for path in directory.iterdir() if path.suffix in SUFFIXES}


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
    with_recordings: Annotated[
        bool, typer.Option("--recordings/--no-recordings", help="Judge the recordings too.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Directory for the record.")] = None,
) -> None:
    """Judge folders of wavs side by side; without any, the recordings of the test split."""
    try:
        evaluate_directories(
            wavs or [], corpus, weights, with_recordings=with_recordings, clips=clips, out_dir=out
        )
    except DlpoError as error:
        typer.echo(f"dlpo_bench.quality: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
