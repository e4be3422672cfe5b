"""The option `--dictionary`: how words are to be said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.errors import InputError

Dictionary = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="How to say words: a line each, as `tomato T AH0 M AA1 T OW2`.",
    ),
]


def read_dictionary(path: Path | None) -> dict[str, str]:
    """Word -> phonemes, from a file in CMUdict's format; empty without one."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read ({error}); expected UTF-8 text") from error
    entries = (line.split(maxsplit=1) for line in lines if line.strip())
    return {word: " ".join(spoken) for word, *spoken in entries}
