"""Work shared between processes, which all end when this one is stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

CHUNK = 8  # items that a process gets at a time
Each = Callable[..., Iterator[Any]]
"""`map`, here or in other processes"""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, SIGINT and SIGTERM raise SystemExit, so that clean-up runs."""

    def stop(*_: object) -> None:
        sys.exit("stopped; run it again to go on")

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


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
    with ended_by_signals(), ProcessPoolExecutor(jobs, get_context("spawn"), begin, given) as pool:
        try:
            yield partial(pool.map, chunksize=CHUNK)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
