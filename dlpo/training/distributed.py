"""The processes of a run: `accelerate launch` starts them, an `Accelerator` joins them."""

from __future__ import annotations

import atexit

import torch
from accelerate import Accelerator
from accelerate.utils import KwargsHandler
from torch import distributed

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # of a CPU: Intel's and AMD's, ARM's


def join_processes(precision: str, handler: KwargsHandler) -> Accelerator:
    """This process as one of the run, or as the only one.

    Args:
        precision: see `arithmetic`.
        handler: accelerate's settings of one of its parts.
    """
    accelerator = Accelerator(mixed_precision=arithmetic(precision), kwargs_handlers=[handler])
    if accelerator.num_processes > 1:
        atexit.register(_leave)
    return accelerator


def arithmetic(precision: str) -> str:
    """What "auto" means on this machine: "bf16" where it computes in bfloat16, else "no"."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        quick = any(capabilities.get(name, False) for name in BFLOAT16)
    return "bf16" if quick else "no"


def _leave() -> None:
    """End the group's threads: those that still run when the interpreter ends abort it."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
