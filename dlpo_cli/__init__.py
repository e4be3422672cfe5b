"""The command line: `dlpo say`, `dlpo serve`, `dlpo train` and their like.

Commands are thin: each imports the package that does the work when called, so that
`dlpo --help` is quick and `dlpo say` never loads torch. Exit codes: 0 done, 1 a `DlpoError` (its
message is on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from dlpo.commit import source_commit
from dlpo.errors import DlpoError, UsageError
from dlpo.version import __version__

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's idle threads would spin for 0.1 s
_MODULE_OF = {  # command -> the module of this package that registers it, in the order of --help
    "say": "speak", "serve": "speak", "phonemes": "speak", "voices": "bundles", "export": "bundles",
    "detect": "detect", "sign": "detect", "health": "operate", "mcp": "operate",
    "doctor": "operate", "keys": "operate", "new-voice": "new_voice",
    "prepare": "make", "train": "make", "tune": "make", "schedule": "make", "import": "make",
    "eval": "measure", "listen": "measure", "bench": "bench",
}  # fmt: skip
PACKAGES = ("dlpo", "dlpo_cli", "dlpo_serving", "dlpo_export", "dlpo_bench")  # whose logs to show
# Options accepted before or after a command, and the log level that each sets.
_EVERYWHERE = {"quiet": logging.WARNING, "verbose": logging.DEBUG}
_EXAMPLES = """\
dlpo: text to speech that starts within milliseconds on one CPU core

  dlpo say "Hello there."                              play it
  dlpo say "Hello there." -o hello.mp3 --voice heart   write a file
  dlpo serve --http-port 8080                          serve gRPC, the OpenAI API and a web page
  dlpo doctor                                          check what works on this machine
  dlpo tune --help                                     tune a voice by reward, or by preferences

dlpo -h lists every command, dlpo COMMAND -h its options."""


class _Modules(Mapping[str, Any]):
    """Command by name; its module is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return _commands_of(_MODULE_OF[name])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULE_OF)

    def __len__(self) -> int:
        return len(_MODULE_OF)


@cache
def _commands_of(module: str) -> Mapping[str, Any]:
    commands = typer.Typer()
    import_module(f"dlpo_cli.{module}").register(commands)
    group = get_group(commands)
    shared = [copy.copy(one) for one in get_group(app).params if one.name in _EVERYWHERE]
    for option in shared:
        option.expose_value = False
    for command in _below(group):
        taken = {word for param in command.params for word in param.opts}  # -v is a voice in say
        command.params.extend(_without(option, taken) for option in shared)
    return group.commands


def _without(option: Any, taken: set[str]) -> Any:
    """The option, without words that a command uses for another one."""
    left = copy.copy(option)
    left.opts = [word for word in option.opts if word not in taken]
    return left


def _below(group: Any) -> Iterator[Any]:
    for command in getattr(group, "commands", {}).values():
        yield command
        yield from _below(command)


class _Commands(TyperGroup):
    """Turns an error of ours into its message on stderr and exit code 1."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Modules()

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DlpoError as error:
            message = f"dlpo: {error}".encode("utf-8", "backslashreplace").decode()
            typer.echo(message, err=True)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error


app = typer.Typer(
    name="dlpo",
    cls=_Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        commit = source_commit()
        typer.echo(f"dlpo {__version__}" + (f" ({commit})" if commit else ""))
        raise typer.Exit


def _set_level(option: typer.CallbackParam, wanted: bool) -> None:
    if wanted:
        _log_from(_EVERYWHERE[str(option.name)])


def _log_from(level: int) -> None:
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", callback=_set_level, help="Report problems only.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", callback=_set_level, help="Report more detail.")
    ] = False,
) -> None:
    """Few-step diffusion text to speech: speak, serve, train, measure."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # exports load onnxruntime, too
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    if not quiet and not verbose:
        _log_from(logging.INFO)
    if context.invoked_subcommand is None:
        typer.echo(_EXAMPLES)
