"""One-off studies behind decisions of the project; not part of the wheel.

Each module answers one question, runs as `python -m research.NAME` from a checkout, and keeps its
records in benchmarks/records/studies. The product and its benchmarks never import it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from dlpo.errors import DlpoError

RECORDS = Path("benchmarks/records/studies")  # relative to the root of a checkout


def study_command(name: str) -> str:
    """The command line of a study, as recorded; its kind of record may name it."""
    return shlex.join(["python", "-m", f"research.{name.replace('-', '_')}", *sys.argv[1:]])


def run_study(main: Callable[..., None]) -> None:
    """Run a study from its command line; for our own errors only the message is shown."""
    try:
        typer.run(main)
    except DlpoError as error:
        sys.exit(str(error))
