"""Running out of memory, said in one line instead of an allocator's stack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dlpo.errors import BundleError

# How torch, C++ and onnxruntime call it; Python and numpy raise MemoryError.
SIGNS = ("can't allocate memory", "bad_alloc", "failed to allocate memory", "out of memory")


@contextlib.contextmanager
def naming_lack_of_memory(doing: str) -> Iterator[None]:
    """Turn a failed allocation, however deep it is wrapped, into an error that says what to do.

    Args:
        doing: what needs the memory, such as "exporting denoiser_6".

    Raises:
        BundleError: memory ran out inside. Every other error passes as it is.
    """
    try:
        yield
    except Exception as error:
        cause = _lack_of_memory(error)
        if cause is None:
            raise
        raise BundleError(
            f"{doing}: out of memory ({str(cause).splitlines()[0] if str(cause) else 'no detail'});"
            " nothing is written. Export fewer numbers of steps at once, or on a machine with more;"
            " large with 2 and 6 steps takes 3 GB"
        ) from error


def _lack_of_memory(error: BaseException) -> BaseException | None:
    """The failed allocation behind an exception, or None."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        text = str(current).lower()
        if isinstance(current, MemoryError) or any(sign in text for sign in SIGNS):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None
