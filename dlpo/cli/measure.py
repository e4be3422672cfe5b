"""Commands that measure: eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dlpo.cli.options import (
    JUDGES,
    SPEECH,
    Corpus,
    Eta,
    Schedule,
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
            help="Voices, bundles, checkpoints or folders of wavs; NAME=PATH gives one a name."
            " The embedded voice if left out."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="What the others are compared with; the first if left out.")
    ] = None,
    voice: Annotated[
        str | None, typer.Option(help="One more voice or bundle, called text-to-speech.")
    ] = None,
    steps: Annotated[
        list[int] | None,
        typer.Option(
            help="Reverse steps; repeatable. Each system's own number if left out.",
            rich_help_panel=SPEECH,
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Of bundles: fp32 or int8; repeatable. Their own if left out.",
            rich_help_panel=SPEECH,
        ),
    ] = None,
    schedule: Schedule = None,
    eta: Eta = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Noise seeds a sentence; averaged first.", rich_help_panel=SPEECH),
    ] = 1,
    corpus: Corpus = Path("../shared/data/ljspeech"),
    split: Annotated[
        Literal["test", "validation"],
        typer.Option(help="Sentences of the corpus.", rich_help_panel=JUDGES),
    ] = "test",
    texts: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Say its lines instead of the corpus; there are no recordings then.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first so many sentences.", rich_help_panel=JUDGES),
    ] = None,
    recordings: Annotated[
        bool, typer.Option(help="Judge the speaker's recordings too.", rich_help_panel=JUDGES)
    ] = True,
    match: Annotated[
        bool,
        typer.Option(help="Bring all to the recordings' level first.", rich_help_panel=JUDGES),
    ] = True,
    weights: Weights = Path("../shared/models"),
    whisper: Annotated[
        list[Path] | None,
        typer.Option(
            help="Directory of a Whisper checkpoint: word and character errors; repeatable.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    speaker: Annotated[
        Path | None,
        typer.Option(
            help="Weights of the speaker encoder: likeness to the speaker of the corpus.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    utmos: Annotated[
        Path | None,
        typer.Option(help="File of UTMOS's weights: one more judge.", rich_help_panel=JUDGES),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Judge what it copies; needs --data.", rich_help_panel=_COPY
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Dataset from `dlpo prepare`, to copy from.", rich_help_panel=_COPY
        ),
    ] = None,
    wavs: Annotated[
        Path | None,
        typer.Option(
            help="Directory for what the judges heard, as SYSTEM/CLIP.wav.", rich_help_panel=_KEPT
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Directory for the record, such as benchmarks/records.", rich_help_panel=_KEPT
        ),
    ] = None,
) -> None:
    """Let judges hear systems side by side, on the same sentences and noise seeds.

    Prints means with 95 % bootstrap intervals and paired differences from the baseline.
    NISQA-TTS, DNSMOS P.808, NISQA, DistillMOS, speaker cosine: higher is better; word and character
    errors: lower.
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
