"""The body of `dlpo eval`: listen with a progress bar, print the table, write the record.

    python -m dlpo_bench.quality --wavs DIR [--wavs DIR ...]

judges any folders of wavs that are named by clip, beside the recordings.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpo.errors import DlpoError, InputError
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, TEST_SPLIT, Clip, Waveform, load_clips
from dlpo_bench.comparison import evaluate
from dlpo_bench.heard import Quality
from dlpo_bench.judging import Panel, load_panel
from dlpo_bench.quality_report import figures, markdown, samples, terminal_tables
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.report.quality import draw_differences, draw_means
from dlpo_bench.systems import RECORDINGS, System, audio_files, recordings


def compare(
    systems: Mapping[str, System | Sequence[System]],
    clips: Sequence[Clip],
    panel: Panel,
    *,
    baseline: str | None = None,
    match: bool = True,
    wavs: Path | None = None,
) -> Quality:
    """Evaluate with a progress bar and print the tables.

    Args:
        systems: name -> system, or its takes; see `dlpo_bench.systems`.
        clips: see `load_clips` and `clips_of_texts`.
        panel: see `load_panel`.
        baseline, match: see `evaluate`.
        wavs: directory to write what the judges hear to, as `<system>/<clip id>.wav`.

    Raises:
        InputError: see `evaluate`; or `wavs` can't be written.
        DataError: a recording or a wav is missing or damaged.
    """
    from rich.console import Console
    from rich.progress import Progress

    def keep(system: str, take: int, clip: Clip, waveform: Waveform) -> None:
        if wavs is not None:
            write_heard(wavs, system, take, clip, waveform)

    takes = sum(len(s) if isinstance(s, Sequence) else 1 for s in systems.values())
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listening", total=takes * len(clips))
        quality = evaluate(
            systems,
            clips,
            panel,
            lambda: bar.advance(task),
            baseline=baseline,
            match=match,
            keep=keep,
        )
    for table in terminal_tables(quality):
        Console().print(table)
    return quality


def write_heard(directory: Path, system: str, take: int, clip: Clip, waveform: Waveform) -> None:
    """Write one waveform as it was judged, float32, to `<system>/<clip id>.wav`.

    Further takes go to `<system>, seed 1` and so on. In names of folders `_` stands for what some
    file systems don't take.

    Raises:
        InputError: it can't be written.
    """
    import soundfile

    name = re.sub(r'[/\\:*?"<>|]', "_", system + (f", seed {take}" if take else ""))
    path = directory / name / f"{clip.clip_id}.wav"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform, SAMPLE_RATE, subtype="FLOAT")
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(f"can't write {path} ({error}); choose another --wavs") from error


def write_quality_record(
    quality: Quality,
    command: str,
    out_dir: Path = RECORDS,
    bundle_sha256: str | None = None,
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the record, and beside it the same tables in Markdown and their pictures as SVG.

    Args:
        about: system -> what it is, see `Candidate`.

    Raises:
        InputError: see `write_record`; or a file can't be written.
    """
    path = write_record(
        "quality",
        figures(quality),
        command,
        out_dir,
        samples=samples(quality, about),
        bundle_sha256=bundle_sha256,
    )
    found, count = figures(quality), len(quality.clips)
    pictures = {"means": draw_means(found, count)}
    if len(quality.heard) > 1 and quality.baseline is not None:
        pictures["differences"] = draw_differences(found, count)
    files = {f"{path.stem}-{name}.svg": picture for name, picture in pictures.items()}
    files[f"{path.stem}.md"] = markdown(quality, list(files))
    try:
        for name, text in files.items():
            (path.parent / name).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"can't write the tables to {out_dir}: {error.strerror}") from error
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
        systems: dict[str, System] = {RECORDINGS: recordings}
        systems |= {str(directory): audio_files(directory) for directory in wavs or []}
        quality = compare(systems, load_clips(corpus, names[:clips]), load_panel(weights))
        if out is not None:
            command = shlex.join(["python", "-m", "dlpo_bench.quality", *sys.argv[1:]])
            typer.echo(f"record: {write_quality_record(quality, command, out)}")
    except DlpoError as error:
        typer.echo(f"dlpo_bench.quality: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
