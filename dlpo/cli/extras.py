"""What a command says where the packages of its extra are absent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dlpo.errors import MissingExtraError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports inside the block belong to ``extra``.

    Raises:
        MissingExtraError: one of its packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package.startswith("dlpo"):
            raise
        raise MissingExtraError(package, extra) from error
