"""Batches drawn by other processes, ahead of the updates that learn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset

AHEAD = 4  # batches that each process has ready
T = TypeVar("T")


class Prefetched(Generic[T]):
    """What `draw` gives for one update after another.

    Args:
        draw: an update's number -> its batch; what it draws depends on the number alone.
        end: the last update's number, plus 1.
        workers: processes that draw; with 0 a batch is drawn when it is asked for.
    """

    def __init__(self, draw: Callable[[int], T], end: int, workers: int) -> None:
        self._draw = draw
        self._end = end
        self._workers = workers
        self._coming: Iterator[T] | None = None
        self._next = -1

    def of(self, update: int) -> T:
        """The batch of an update; the next one is quick if the updates follow each other."""
        if not self._workers:
            return self._draw(update)
        if self._coming is None or update != self._next:
            self._coming = self._from(update)
        self._next = update + 1
        return next(self._coming)

    def _from(self, first: int) -> Iterator[T]:
        loader = DataLoader(
            _Draws(self._draw, self._end),
            batch_size=None,
            sampler=range(first, self._end),
            num_workers=self._workers,
            prefetch_factor=AHEAD,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # not the global one, which dropout draws from
            multiprocessing_context="fork",
        )
        return cast(Iterator[T], iter(loader))


class _Draws(Dataset[T]):
    def __init__(self, draw: Callable[[int], T], end: int) -> None:
        self._draw = draw
        self._end = end

    def __len__(self) -> int:
        return self._end

    def __getitem__(self, update: int) -> T:
        return self._draw(update)


def _as_it_is(batch: T) -> T:
    return batch
