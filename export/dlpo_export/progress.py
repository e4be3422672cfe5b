"""What an export is doing, in the log: it may take minutes or hours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
EVERY_S = 20.0  # between lines about one stage

logger = logging.getLogger(__name__)


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Log that a stage begins, and how long it took."""
    logger.info("%s ...", what)
    began = time.monotonic()
    yield
    logger.info("%s: %.0f s", what, time.monotonic() - began)


def counted(
    items: Sequence[T], what: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The items; while that takes long, log how many are done and how long the rest will take.

    Args:
        what: name of the items, such as "layers".
        clock: seconds.
    """
    began = logged = clock()
    for done, item in enumerate(items):
        now = clock()
        if done and now - logged > EVERY_S:
            left = (now - began) / done * (len(items) - done)
            logger.info("%d of %d %s, about %.0f s to go", done, len(items), what, left)
            logged = now
        yield item
