"""What the processes of a run tell each other, beside the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import gather_object

from dlpo.errors import DlpoError, TrainingError

T = TypeVar("T")


class Processes:
    """One of several processes, or the only one.

    Args:
        accelerator: says how many there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.rank: int = accelerator.process_index
        self.count: int = accelerator.num_processes

    def gather(self, value: T) -> list[T]:
        """Everybody's value, in the order of their ranks."""
        values: list[T] = gather_object([value])
        return values

    def all_do(self, work: Callable[[], T]) -> list[T]:
        """Everybody's result, in the order of their ranks; if one fails, all of them do.

        A process that failed alone would leave the others waiting for it.

        Raises:
            TrainingError: somebody's work failed.
        """
        result: T | None = None
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:  # of judges, whose packages raise whatever they like
            failure = error
        told = None if failure is None else _said(failure)
        gathered = self.gather((result, told))
        for rank, (_, problem) in enumerate(gathered):
            if problem is not None:
                where = "" if self.count == 1 else f"process {rank}: "
                raise TrainingError(where + problem) from failure
        return [value for value, _ in gathered]  # type: ignore[misc]


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, DlpoError) else f"{type(error).__name__}: {error}"
