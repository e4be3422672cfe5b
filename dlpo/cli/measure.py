"""Commands that measure: eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dlpo.cli.options import (
    CORPUS,
    JUDGES,
    SPEECH,
    WEIGHTS,
    Corpus,
    Eta,
    Schedule,
    Utmos,
    Weights,
    command_line,
    needs,
)

_KEPT = "What is kept"
_COPY = "Copy-synthesis"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("eval")(evaluate)


def evaluate(
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            help="Voices, bundles, checkpoints or directories of wavs; NAME=PATH gives one a name."
            " The embedded voice if left out."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Name of the system that the others are compared with; the first if left out."
        ),
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(help="One more voice or bundle, whose name in the tables is text-to-speech."),
    ] = None,
    steps: Annotated[
        list[int] | None,
        typer.Option(
            help="Number of reverse steps, repeatable. Each system's own number if left out.",
            rich_help_panel=SPEECH,
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Precision of bundles, fp32 or int8, repeatable. Their own if left out.",
            rich_help_panel=SPEECH,
        ),
    ] = None,
    schedule: Schedule = None,
    eta: Eta = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Say each sentence with so many noise seeds, and average their scores.",
            rich_help_panel=SPEECH,
        ),
    ] = 1,
    corpus: Corpus = CORPUS,
    split: Annotated[
        Literal["test", "validation"],
        typer.Option(help="Which sentences of the corpus are said.", rich_help_panel=JUDGES),
    ] = "test",
    texts: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Say the lines of this file instead, which have no recordings.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(min=1, help="Say only the first so many sentences.", rich_help_panel=JUDGES),
    ] = None,
    recordings: Annotated[
        bool, typer.Option(help="Judge the speaker's recordings too.", rich_help_panel=JUDGES)
    ] = True,
    match: Annotated[
        bool,
        typer.Option(
            help="Bring every clip to the level of its recording first.", rich_help_panel=JUDGES
        ),
    ] = True,
    weights: Weights = WEIGHTS,
    whisper: Annotated[
        list[Path] | None,
        typer.Option(
            help="Directory of a Whisper checkpoint, which adds its word and character errors. This"
            " is repeatable.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    speaker: Annotated[
        Path | None,
        typer.Option(
            help="File of the speaker encoder's weights, which adds the likeness to the speaker of"
            " the corpus.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    utmos: Utmos = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Judge how this checkpoint copies the recordings of --data.",
            rich_help_panel=_COPY,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Dataset that --checkpoint copies, as `dlpo prepare` writes it.",
            rich_help_panel=_COPY,
        ),
    ] = None,
    wavs: Annotated[
        Path | None,
        typer.Option(
            help="Directory to write what the judges heard to, as SYSTEM/CLIP.wav.",
            rich_help_panel=_KEPT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Directory to write a record to, such as benchmarks/records.",
            rich_help_panel=_KEPT,
        ),
    ] = None,
) -> None:
    """Let judges compare systems on the same sentences and noise seeds.

    The tables have means with 95 % bootstrap intervals, and paired differences from the baseline.
    Higher is better for NISQA-TTS, DNSMOS P.808, NISQA, DistillMOS and the speaker cosine; lower is
    better for word and character errors.
    """
    with needs("bench"):
        from dlpo_bench.clips import SPLITS, clips_of_texts, load_clips
        from dlpo_bench.eval import compare, measured
        from dlpo_bench.judging import load_panel
        from dlpo_bench.record import check_recordable, write_measured
    with needs("serve"):
        from dlpo_bench.systems import (
            RECORDED,
            SpeakingOptions,
            names_in_folders,
            only_bundle,
            open_systems,
        )

    if out is not None:
        check_recordable(out)
    if (checkpoint is None) != (data is None):
        raise typer.BadParameter("give both or neither", param_hint="--checkpoint and --data")
    speaking = SpeakingOptions(tuple(steps or ()), tuple(precision or ()), schedule, eta, seeds)
    named = list(systems or ())
    if voice is not None or not named:
        named.append(f"text-to-speech={voice or 'lj'}")
    candidates = open_systems(named, speaking)
    baseline = baseline or candidates[0].label
    if checkpoint is not None and data is not None:
        with needs("train"):
            from dlpo_bench.copy_synthesis import copies
        candidates = [*copies(checkpoint, data, voice or "lj", speaking, split), *candidates]
    if (schedule, eta) != (None, None):
        kinds = {candidate.about["kind"] for candidate in candidates}
        if kinds.isdisjoint({"checkpoint", "copies"}):
            raise typer.BadParameter(
                "only checkpoints take another chain, a bundle's is part of its graphs",
                param_hint="--schedule, --eta",
            )
    if recordings and texts is None:
        candidates = [RECORDED, *candidates]
    lines = clips_of_texts(texts) if texts is not None else []
    names = [clip.clip_id for clip in lines] or SPLITS[split]
    chosen = names_in_folders(candidates, names)[:clips]
    spoken = [clip for clip in lines if clip.clip_id in chosen] or load_clips(corpus, chosen)
    quality = compare(
        candidates,
        spoken,
        load_panel(weights, whisper or (), utmos, (speaker, corpus) if speaker else None),
        baseline=baseline,
        match=match,
        wavs=wavs,
    )
    if out is not None:
        about = {candidate.label: candidate.about for candidate in candidates}
        found = measured(quality, about, only_bundle(about.values()))
        typer.echo(write_measured("quality", found, command_line(), out))
