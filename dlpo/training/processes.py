"""The processes of a run: `accelerate launch` starts them, an `Accelerator` joins them."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import KwargsHandler, gather_object
from torch import distributed

from dlpo.errors import DlpoError, TrainingError
from dlpo.operating_system import keep_freed_memory

BFLOAT16 = ("amx_bf16", "bf16")  # CPU flags
T = TypeVar("T")


def join_processes(precision: str, handler: KwargsHandler) -> Accelerator:
    """Join this process to the run, or make it the only one.

    Args:
        precision: see `arithmetic`.
        handler: accelerate's settings for one of its parts.
    """
    keep_freed_memory()
    accelerator = Accelerator(mixed_precision=arithmetic(precision), kwargs_handlers=[handler])
    if accelerator.num_processes > 1:
        atexit.register(_leave)
    return accelerator


def arithmetic(precision: str) -> str:
    """What "auto" means on this machine: "bf16" if it is faster, else "no"."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        quick = bfloat16_is_faster()
    return "bf16" if quick else "no"


def bfloat16_is_faster() -> bool:
    """Whether this processor computes faster in bfloat16 than in float32.

    AMD's do with avx512_bf16 alone (DistillMOS 2.2 times on Zen 4), Intel's only with AMX.
    """
    capabilities = torch.cpu.get_capabilities()
    with suppress(OSError):
        if b"AuthenticAMD" in Path("/proc/cpuinfo").read_bytes():
            return bool(capabilities.get("avx512_bf16", False))
    return any(capabilities.get(name, False) for name in BFLOAT16)


class Processes:
    """The rank of this process, and what the processes exchange besides gradients.

    Args:
        accelerator: knows rank and count.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.rank: int = accelerator.process_index
        self.count: int = accelerator.num_processes

    def gather(self, value: T) -> list[T]:
        """Every process's value, in rank order."""
        values: list[T] = gather_object([value])
        return values

    def all_do(self, work: Callable[[], T]) -> list[T]:
        """Every process's result, in rank order; if one fails, all raise.

        A process that raised alone would leave the others waiting for it.

        Raises:
            TrainingError: the work of some process failed.
        """
        result: T | None = None
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:  # judges are third-party code and may raise anything
            failure = error
        gathered = self.gather((result, None if failure is None else _message(failure)))
        for rank, (_, message) in enumerate(gathered):
            if message is not None:
                where = "" if self.count == 1 else f"process {rank}: "
                raise TrainingError(where + message) from failure
        return [value for value, _ in gathered]  # type: ignore[misc]


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, DlpoError) else f"{type(error).__name__}: {error}"


def _leave() -> None:
    """Close the process group, whose threads would abort the interpreter on exit."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
