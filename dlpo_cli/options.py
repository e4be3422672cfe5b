"""Shared by several commands: options, `--set` settings, optional packages, progress bars."""

from __future__ import annotations

import json
import logging
import math
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpo.errors import InputError, needs

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from dlpo.data.launch import DatasetOrder
    from dlpo.training.run import TrainingRun
    from dlpo_serving.client.connection import Connection

Record = Annotated[bool, typer.Option("--record", help="Save the results as a record.")]
EVERY_S = 60.0  # between lines about a run whose bar nobody sees
CheckpointDir = Annotated[
    Path,
    typer.Argument(exists=True, file_okay=False, help="Checkpoint directory from `dlpo train`."),
]
DatasetDir = Annotated[
    Path,
    typer.Option(exists=True, file_okay=False, help="Dataset directory from `dlpo prepare`."),
]
RunDir = Annotated[Path, typer.Option(help="Run directory; an existing run in it is resumed.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE changes a setting, such as updates=20000; repeatable."),
]
Token = Annotated[
    str | None, typer.Option(envvar="DLPO_TOKEN", help="API key, if the server requires one.")
]
Encrypted = Annotated[bool, typer.Option("--tls", help="Encrypt the connection to the server.")]
Ca = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="PEM file of trusted CAs; implies --tls."),
]
Dictionary = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Pronunciation file, one word per line: `tomato T AH0 M AA1 T OW2`.",
    ),
]


def command_line() -> str:
    """The command line, for a record."""
    return shlex.join(["dlpo", *sys.argv[1:]])


def connection_to(server: str, tls: bool, ca: Path | None, token: str | None) -> Connection:
    """What `Encrypted`, `Ca` and `Token` say of how to reach a server; needs the extra serve."""
    from dlpo_serving.client.connection import Connection, Tls

    return Connection(server, Tls(ca) if tls or ca else None, token)


def is_quiet() -> bool:
    """Whether --quiet was given."""
    return not logging.getLogger("dlpo").isEnabledFor(logging.INFO)


def progress(*columns: str | ProgressColumn, disable: bool = False) -> Progress:
    """A transient progress bar on stderr; off unless that is a terminal.

    Args:
        columns: rich's columns of the bar; its defaults if none are given.
    """
    with needs("train"):
        from rich.console import Console
        from rich.progress import Progress

    console = Console(stderr=True)
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable)


def counted(bar: Progress, title: str) -> Callable[[int, int], None]:
    """A new line of a progress bar, to be called with what is done and what there is to do."""
    task = bar.add_task(title)
    return lambda done, total: bar.update(task, completed=done, total=total)


def make_shown(order: DatasetOrder) -> None:
    """Make a dataset behind a progress bar; report what is in it, and what is not."""
    from dlpo.data.launch import make_dataset

    with progress() as bar:
        done = make_dataset(order, partial(counted, bar))
    what = "F0" if order.features.without_sound else "audio"
    counts = f"{done.with_audio} clips with {what}, {done.timing_only} with timing only"
    typer.echo(f"{order.out}: {counts}")
    for clip, reason in done.left_out.items():
        typer.echo(f"left out {clip}: {reason}")


class Phases:
    """Announces the phases of a long command on stderr: `2/4 training adapters`."""

    def __init__(self, phases: int) -> None:
        self._phases = phases
        self._begun = 0

    def begin(self, phase: str) -> None:
        self._begun += 1
        if not is_quiet():
            typer.echo(f"{self._begun}/{self._phases} {phase}", err=True)


class RemainingTime:
    """Estimates how long a run will take, as soon as an update has been timed.

    Args:
        first: updates done when it starts, as after a resume.
        total: updates at its end.
        every_s: between estimates; by default one is all.
    """

    def __init__(self, first: int, total: int, every_s: float = math.inf) -> None:
        self._from = first
        self._total = total
        self._every_s = every_s
        self._begun_s = self._due_s = 0.0

    def estimate(self, update: int, now_s: float) -> str | None:
        """The estimate, if one is due; the first update also loads things and is not counted."""
        done = update - self._from
        if done == 1:
            self._begun_s = self._due_s = now_s
        if done < 2 or update >= self._total or now_s < self._due_s:
            return None
        self._due_s = now_s + self._every_s
        left_s = (now_s - self._begun_s) / (done - 1) * (self._total - update)
        minutes = f"{max(1, round(left_s / 60))} minutes" if left_s > 90 else f"{left_s:.0f} s"
        return f"about {minutes} for the other {self._total - update} updates"


def run_shown(run: TrainingRun, *shown: str) -> Path:
    """Run a training or tuning behind a progress bar; returns its checkpoint.

    Args:
        shown: names of figures to show beside the bar, if an update has them.

    Raises:
        typer.Exit: with 128 + the signal that stopped it.
    """
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.completed}/{task.total} updates{task.fields[figures]}")
    hidden, latest = not run.accelerator.is_main_process, {}
    with progress(text, BarColumn(), TimeRemainingColumn(), disable=hidden) as bar:
        task = bar.add_task("", total=run.training.updates, completed=run.update, figures="")
        seen = math.inf if bar.console.is_terminal else EVERY_S
        remaining = RemainingTime(run.update, run.training.updates, seen)

        def report(update: int, figures: dict[str, float]) -> None:
            latest.update({name: figures[name] for name in shown if name in figures})
            words = "".join(f", {name} {value:.4g}" for name, value in latest.items())
            bar.update(task, completed=update, figures=words)
            estimate = remaining.estimate(update, time.monotonic())
            if estimate is not None and not hidden and not is_quiet():
                bar.console.print(f"{estimate}{words}", highlight=False)

        checkpoint = run.run(report)
    if run.stop_signal is not None:
        typer.echo(f"stopped at update {run.update}; run the same command to resume", err=True)
        raise typer.Exit(128 + run.stop_signal)
    return checkpoint


def parse_data(data: Sequence[str]) -> dict[Path, float]:
    """``["data/lj=2", "data/heart"]`` -> {Path("data/lj"): 2.0, Path("data/heart"): 1.0}.

    Raises:
        InputError: a directory is missing or given twice, or its share is not a number.
    """
    shares: dict[Path, float] = {}
    for given in data:
        name, _, share = given.partition("=")
        if not Path(name).is_dir():
            raise InputError(f"--data: {name}: no such directory; make it with `dlpo prepare`")
        if Path(name) in shares:
            raise InputError(f"--data: {name}: given twice; give it once, with its share")
        try:
            shares[Path(name)] = float(share or 1)
        except ValueError as error:
            raise InputError(f"--data {given}: expected DIR or DIR=NUMBER") from error
    return shares


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``["batch=8", "precision=no"]`` -> {"batch": 8, "precision": "no"}.

    Raises:
        typer.BadParameter: one is not KEY=VALUE.
    """
    values = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            values[key] = value
    return values
