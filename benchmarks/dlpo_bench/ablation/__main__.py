"""See the package."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config import TrainingConfig
from dlpo.data.dataset import Dataset
from dlpo.errors import DlpoError
from dlpo_bench.ablation.learning import Learnt, learn
from dlpo_bench.ablation.outcome import listen, write
from dlpo_bench.ablation.variants import VARIANTS
from dlpo_bench.clips import VALIDATION_SPLIT
from dlpo_bench.judging import load_panel


def main(
    data: Annotated[Path, typer.Option(exists=True, help="Dataset from `dlpo prepare`.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs; finished ones are kept.")],
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/lj/checkpoint"),
    corpus: Annotated[Path, typer.Option(exists=True)] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Names; all if left out.")] = None,
    updates: Annotated[int, typer.Option(min=1)] = 800,
    batch: Annotated[int, typer.Option(min=2)] = 8,
    window: Annotated[int, typer.Option(min=8, help="Frames.")] = 32,
    clips: Annotated[int, typer.Option(min=1, help="Validation sentences.")] = 10,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
    learn_only: Annotated[bool, typer.Option(help="Teach, don't judge.")] = False,
) -> None:
    """Teach every variant with one budget and let judges compare."""
    names = [variant.name for variant in VARIANTS]
    if unknown := set(only or []) - set(names):
        raise typer.BadParameter(f"{sorted(unknown)}; expected some of {', '.join(names)}")
    budget = TrainingConfig(
        updates=updates, acoustic_updates=0, adversarial_updates=0, batch=batch, window=window,
        warmup=min(100, updates), decay_from=0.5, ema_decay=0.99,
    )  # fmt: skip
    chosen = [variant for variant in VARIANTS if not only or variant.name in only]
    torch.set_num_threads(1)
    try:
        start, dataset = load_checkpoint(checkpoint), Dataset(data)
        learnt = []
        for variant in chosen:
            learnt.append(learn(variant, start, dataset, budget, out / variant.name, _tell))
            typer.echo(f"{variant.name}: {learnt[-1].seconds:.0f} s", err=True)
        if not learn_only:
            _judge(learnt, start, budget, corpus, weights, clips, record)
    except DlpoError as error:
        typer.echo(f"dlpo_bench.ablation: {error}", err=True)
        raise typer.Exit(1) from error


def _judge(
    learnt: list[Learnt],
    start: Checkpoint,
    budget: TrainingConfig,
    corpus: Path,
    weights: Path,
    clips: int,
    record: bool,
) -> None:
    outcome = listen(learnt, start, corpus, load_panel(weights), VALIDATION_SPLIT[:clips])
    typer.echo(outcome.table())
    if record:
        command = shlex.join(["python", "-m", "dlpo_bench.ablation", *sys.argv[1:]])
        typer.echo(write(outcome, budget, command))


def _tell(update: int, loss: float) -> None:
    if update % 100 == 0:
        typer.echo(f"update {update}: loss {loss:.3f}", err=True)


if __name__ == "__main__":
    typer.run(main)
