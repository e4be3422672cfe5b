"""Files that only dlpo's repository has, such as checkpoints; wheels leave them out."""

from __future__ import annotations

from pathlib import Path

from dlpo.errors import InputError


def from_repository(path: Path, otherwise: str) -> Path:
    """A file or folder of the repository: below the current directory, or around this package.

    Args:
        path: relative to the repository's root.
        otherwise: what to do without a repository, for the message.

    Raises:
        InputError: it is in neither.
    """
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (root / path).exists():
            return root / path
    raise InputError(f"{path}: not found here or around dlpo's code; {otherwise}")
