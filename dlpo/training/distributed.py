"""The processes of a run: `accelerate launch` starts them, an `Accelerator` joins them."""

from __future__ import annotations

import atexit

from accelerate import Accelerator
from accelerate.utils import KwargsHandler
from torch import distributed


def join_processes(precision: str, handler: KwargsHandler) -> Accelerator:
    """This process as one of the run, or as the only one.

    Args:
        precision: of the arithmetic, "bf16" or "no".
        handler: accelerate's settings of one of its parts.
    """
    accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[handler])
    if accelerator.num_processes > 1:
        atexit.register(_leave)
    return accelerator


def _leave() -> None:
    """End the group's threads: those that still run when the interpreter ends abort it."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
