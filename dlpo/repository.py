"""Files that dlpo's wheel leaves out: checkpoints, and the texts of the demo.

dlpo's repository has them and, at the same places, the wheel dlpo-checkpoints, which
`voices/pyproject.toml` describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dlpo.errors import InputError, pip_install_checkpoints

PACKAGE = "dlpo_checkpoints"
NAMED = {"mini": Path("voices/mini/checkpoint")}
"""Checkpoints that a name is enough for."""


def from_repository(path: Path) -> Path:
    """A file or folder of the repository, or of the installed checkpoints.

    Args:
        path: relative to the repository's root.

    Raises:
        InputError: it is not here, with the command that brings it.
    """
    for root in _roots():
        if (root / path).exists():
            return root / path
    raise InputError(
        f"{path} is not part of dlpo's wheel and was not found in {Path.cwd()};"
        f" run: {pip_install_checkpoints()}"
    )


def checkpoint_at(path: Path) -> Path:
    """A checkpoint's path; one of the repository's may also come from the installed checkpoints,
    or be `NAMED`."""
    if path.exists():
        return path
    path = NAMED.get(str(path), path)
    return from_repository(path) if path.parts[:1] == ("voices",) else path


def _roots() -> Iterator[Path]:
    """The current directory, the repository around this package, the installed checkpoints."""
    yield Path.cwd()
    yield Path(__file__).resolve().parents[1]
    if (found := find_spec(PACKAGE)) is not None:
        yield from map(Path, found.submodule_search_locations or ())
