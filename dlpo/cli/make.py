"""Commands that make a voice: prepare, train, schedule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dlpo.cli.extras import needs
from dlpo.cli.progress import progress
from dlpo.cli.settings import parse_settings
from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo.training.run import TrainingRun


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (prepare, train, schedule):
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
    from dlpo.data import ljspeech

    with progress() as bar:
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


def train(
    model: Annotated[
        Literal["lite", "contour", "base", "large"],
        typer.Argument(
            help="What to train: the embedded voice; a contour, which gives the lite of --init its"
            " pitch; WaveGrad 2 as published, see docs/train-base.md."
        ),
    ],
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Dataset from `dlpo prepare`.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the run; resumed if it holds one.")],
    init: Annotated[
        Path | None, typer.Option(exists=True, help="Checkpoint to start from.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the training, such as updates=20000; repeatable."),
    ] = None,
) -> None:
    """Train a model by likelihood; Ctrl-C saves the run, the same command resumes it.

    On several GPUs: accelerate launch "$(command -v dlpo)" train ...
    """
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    trainer = _trainer(model, data, out, init, parse_settings(settings or []))
    columns = (
        TextColumn("{task.completed}/{task.total} updates, loss {task.fields[loss]:.3f}"),
        BarColumn(),
        TimeRemainingColumn(),
    )
    with progress(*columns, disable=not trainer.accelerator.is_main_process) as bar:
        task = bar.add_task(
            "", total=trainer.training.updates, completed=trainer.update, loss=float("nan")
        )
        checkpoint = trainer.run(
            lambda update, terms: bar.update(task, completed=update, loss=terms["loss"])
        )
    if trainer.stop_signal is not None:
        typer.echo(f"stopped at update {trainer.update}; run the same command to go on", err=True)
        raise typer.Exit(128 + trainer.stop_signal)
    typer.echo(checkpoint)


def _trainer(
    model: str, data: Path, out: Path, init: Path | None, values: dict[str, Any]
) -> TrainingRun:
    """The run that a command line asks for."""
    from dlpo.config import (
        BASE,
        BASE_TRAINING,
        LARGE,
        LARGE_TRAINING,
        LITE,
        ContourConfig,
        ContourTraining,
        TrainingConfig,
        WaveGrad2Training,
        from_dict,
        to_dict,
    )

    with needs("train"):
        from dlpo.training.contour_trainer import ContourTrainer
        from dlpo.training.trainer import Trainer
        from dlpo.training.wavegrad_trainer import WaveGradTrainer

    if model == "contour":
        if init is None:
            raise InputError("a contour belongs to a voice; give its checkpoint with --init")
        contour = from_dict(ContourTraining, values)
        return ContourTrainer(ContourConfig(), contour, data, out, init)
    if model == "lite":
        return Trainer(LITE, from_dict(TrainingConfig, values), data, out, init)
    config, usual = (BASE, BASE_TRAINING) if model == "base" else (LARGE, LARGE_TRAINING)
    training = from_dict(WaveGrad2Training, to_dict(usual) | values)
    return WaveGradTrainer(config, training, data, out, init)


def schedule(
    checkpoint: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Directory from `dlpo train`.")
    ],
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Dataset from `dlpo prepare`.")
    ],
    steps: Annotated[int, typer.Option(min=1, max=8, help="Reverse steps, N.")] = 4,
    clips: Annotated[int, typer.Option(min=1, help="Validation recordings to copy.")] = 4,
) -> None:
    """Find the noise schedule and eta that copy validation recordings best in N steps.

    Give the name and eta of the first line to `dlpo export --schedule NAME --eta ETA`.
    """
    with needs("train"):
        from dlpo.checkpoint import load_checkpoint
        from dlpo.data.dataset import Dataset
        from dlpo.model.lite import LiteWaveGrad2
        from dlpo.training.batches import Batches
        from dlpo.training.schedule_search import search_schedules

    model = load_checkpoint(checkpoint).model
    if not isinstance(model, LiteWaveGrad2):
        raise InputError(f"{checkpoint} is not a `lite`; the search copies with lite's denoiser")
    batches = Batches(Dataset(data), "validation", seed=0)
    with progress() as bar:
        task = bar.add_task("copying recordings")
        trials = search_schedules(
            model,
            batches,
            steps,
            clips,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo("schedule\teta\tdistance")
    for trial in trials:
        typer.echo(f"{trial.name}\t{trial.eta}\t{trial.distance:.4f}")
