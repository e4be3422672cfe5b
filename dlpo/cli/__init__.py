"""The command line: `dlpo say`, `dlpo serve`, `dlpo train` and their like.

Commands are thin: each imports the room that does the work when it is called, so that
`dlpo --help` is quick and `dlpo say` never loads torch. Exit codes: 0 done, 1 a `DlpoError` (its
message is on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import dlpo
from dlpo.cli import bench, bundles, make, measure, operate, speak
from dlpo.commit import source_commit
from dlpo.errors import DlpoError


class _Commands(TyperGroup):
    """Turns an error of ours into its message on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DlpoError as error:
            message = f"dlpo: {error}".encode("utf-8", "backslashreplace").decode()
            typer.echo(message, err=True)
            raise typer.Exit(1) from error


app = typer.Typer(name="dlpo", cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)
speak.register(app)
bundles.register(app)
operate.register(app)
make.register(app)
measure.register(app)
bench.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        commit = source_commit()
        typer.echo(f"dlpo {dlpo.__version__}" + (f" ({commit})" if commit else ""))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Few-step diffusion speech: say it, serve it, train it, measure it."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # exports load onnxruntime, too
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    for room in ("dlpo", "dlpo_serving", "dlpo_export", "dlpo_bench"):
        logging.getLogger(room).setLevel(logging.INFO)
