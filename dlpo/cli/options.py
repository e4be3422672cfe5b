"""What several commands take or keep alike: options, and the command itself for a record."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

SPOKEN, HEARD = "How they speak", "What is heard"

BundleName = Annotated[str, typer.Option(help="Name or path of a bundle.")]
Record = Annotated[bool, typer.Option("--record", help="Keep the figures in benchmarks/records.")]
Schedule = Annotated[
    str | None,
    typer.Option(
        help="Noise schedule of checkpoints; their own if left out.", rich_help_panel=SPOKEN
    ),
]
Eta = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Of checkpoints: 0 = DDIM, 1 = ancestral.", rich_help_panel=SPOKEN
    ),
]
Corpus = Annotated[
    Path, typer.Option(help="Texts and recordings in LJSpeech's layout.", rich_help_panel=HEARD)
]
Weights = Annotated[
    Path, typer.Option(help="Directory of the judges' weights.", rich_help_panel=HEARD)
]


def command_line() -> str:
    """What was typed, for a record."""
    return shlex.join(["dlpo", *sys.argv[1:]])
