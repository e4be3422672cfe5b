"""Work shared between processes, which all end when this one is stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

from recipe.signals import on_stop

CHUNK = 8  # items that a process gets at a time
Each = Callable[..., Iterator[Any]]
"""`map`, here or in other processes"""


def leave(*_: object) -> None:
    """End this program on a signal, so that clean-up runs."""
    sys.exit("stopped; run it again to go on")


@contextmanager
def each_in(jobs: int, begin: Callable[..., None], *given: Any) -> Iterator[Each]:
    """`map` in some processes, in this one if it is the only one.

    Args:
        jobs: processes.
        begin: called in each of them first, with `given`.
    """
    if jobs == 1:
        begin(*given)
        yield map
        return
    with on_stop(leave), ProcessPoolExecutor(jobs, get_context("spawn"), begin, given) as pool:
        try:
            yield partial(pool.map, chunksize=CHUNK)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
