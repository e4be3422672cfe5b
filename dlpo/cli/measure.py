"""Commands that measure: eval."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpo.cli.extras import needs


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("eval")(evaluate)


def evaluate(
    voice: Annotated[str, typer.Option(help="Name of a voice, or the path of a bundle.")] = "lj",
    steps: Annotated[
        list[int] | None,
        typer.Option(help="Reverse steps; repeatable. The voice's own number if left out."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="fp32 or int8; repeatable. The voice's own precision if left out."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(exists=True, help="Judge its copy-synthesis too; needs --data."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(exists=True, help="Dataset from `dlpo prepare`, to copy from.")
    ] = None,
    corpus: Annotated[
        Path, typer.Option(exists=True, help="Texts and recordings in LJSpeech's layout.")
    ] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Directory of the judges' weights.")] = Path(
        "../shared/models"
    ),
    clips: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many test sentences.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the record, such as benchmarks/records.")
    ] = None,
) -> None:
    """Let judges hear recordings, copy-synthesis and text-to-speech on the test sentences.

    Prints means with 95 % bootstrap intervals. DistillMOS, NISQA, NISQA-TTS, DNSMOS P.808: higher
    is better; word errors: lower.
    """
    with needs("bench"):
        from dlpo_bench.clips import TEST_SPLIT, load_clips
        from dlpo_bench.quality import compare, write_quality_record
        from dlpo_bench.systems import text_to_speech
    with needs("serve"):
        from dlpo_serving.voices import find_voice, open_voice
    from dlpo.bundle import Bundle
    from dlpo.noise_schedule import named_schedule

    if (checkpoint is None) != (data is None):
        raise typer.BadParameter("give both or neither", param_hint="--checkpoint and --data")
    wanted: list[Any] = [*precision] if precision else [None]  # open_voice checks them
    spoken = {name: open_voice(voice, "cpu", name) for name in wanted}
    manifest = spoken[wanted[0]].manifest
    chain = manifest.noise_schedule
    systems = {}
    for n in steps or [manifest.steps]:
        if checkpoint is not None and data is not None:
            with needs("train"):
                from dlpo_bench.copy_synthesis import copy_synthesis
            systems[f"copy-synthesis, {n} steps"] = copy_synthesis(
                checkpoint, data, named_schedule(chain.name, n, chain.eta)
            )
        for name, speaker in spoken.items():
            system = f"text-to-speech, {n} steps" + (f", {name}" if name else "")
            systems[system] = text_to_speech(speaker, steps=n)
    quality = compare(systems, load_clips(corpus, TEST_SPLIT[:clips]), weights)
    if out is not None:
        command = shlex.join(["dlpo", *sys.argv[1:]])
        bundle = Bundle.load(find_voice(voice))
        typer.echo(write_quality_record(quality, command, out, bundle.sha256))
