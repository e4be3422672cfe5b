"""The command bench texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import (
    JUDGES,
    SPEECH,
    Corpus,
    Record,
    Weights,
    command_line,
    needs,
    progress,
)


def texts(
    voices: Annotated[
        list[str] | None,
        typer.Argument(help="Voices, bundles or checkpoints; NAME=PATH gives one a name."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Noise seeds a text.", rich_help_panel=SPEECH)
    ] = 1,
    category: Annotated[
        list[str] | None,
        typer.Option(help="Only these kinds of texts; repeatable.", rich_help_panel=JUDGES),
    ] = None,
    texts_file: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            exists=True,
            dir_okay=False,
            help="Other texts: category, text, and its words where it has numbers; tabs between.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    judges: Annotated[
        bool,
        typer.Option(
            help="--no-judges: only what is measured without them, in half a minute.",
            rich_help_panel=JUDGES,
        ),
    ] = True,
    corpus: Corpus = Path("../shared/data/ljspeech"),
    weights: Weights = Path("../shared/models"),
    wavs: Annotated[
        Path | None,
        typer.Option(help="Directory for what the judges heard.", rich_help_panel=JUDGES),
    ] = None,
    record: Record = False,
) -> None:
    """Say 60 texts of other kinds than the corpus has, and look for what goes wrong.

    Words, numbers, questions, lists, names, spelled letters, abbreviations, exclamations,
    tongue-twisters and paragraphs: word errors, judges, clicks, silent words, ends of sentences.
    """
    with needs("bench"):
        from dlpo_bench.clips import TEST_SPLIT, Clip, Waveform, load_clips
        from dlpo_bench.eval import write_heard
        from dlpo_bench.judging import Panel, load_panel
    with needs("serve"):
        from dlpo_bench.systems import Speaking, only_bundle, open_speakers
        from dlpo_bench.texts.study import TEXTS, check_categories, measure_texts, read_texts
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.quality import texts_blocks
    from dlpo_bench.tables import show

    if record:
        check_recordable()
    said = check_categories(read_texts(texts_file or TEXTS), category or ())
    speakers = open_speakers(voices or ["lj"], Speaking(seeds=seeds))
    recorded: list[Clip] = []
    if (corpus / "metadata.csv").is_file():
        recorded = [clip for clip in load_clips(corpus, TEST_SPLIT) if clip.recording]
    if not recorded:
        typer.echo(f"no recordings in {corpus}: none beside the voices", err=True)

    def keep(system: str, take: int, clip: Clip, waveform: Waveform) -> None:
        if wavs is not None:
            write_heard(wavs, system, take, clip, waveform)

    with progress() as bar:
        task = bar.add_task("listening", total=len(speakers) * seeds * len(said))
        found = measure_texts(
            speakers,
            said,
            load_panel(weights) if judges else Panel([], {}, {}),
            recorded=recorded,
            seeds=seeds,
            on_text=lambda: bar.advance(task),
            keep=keep,
        )
    show(texts_blocks(found.figures))
    if record:
        path = write_record(
            "texts", found.figures, command_line(), samples=found.samples,
            bundle_sha256=only_bundle(s.about for s in speakers),
        )  # fmt: skip
        typer.echo(path)
