"""The state of a training run on disk: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel

from dlpo.errors import TrainingError

log = logging.getLogger(__name__)
STATE, BEFORE, UNFINISHED = "state", "state.before", "state.part"


def save_state(out: Path, accelerator: Accelerator, averaged: AveragedModel, update: int) -> None:
    """Write `out/state`; a crash at any point leaves this state or the one before."""
    unfinished, state, before = (out / name for name in (UNFINISHED, STATE, BEFORE))
    shutil.rmtree(unfinished, ignore_errors=True)
    accelerator.save_state(str(unfinished))
    weights = {name: value.detach().cpu() for name, value in averaged.state_dict().items()}
    save_file(weights, unfinished / "averaged.safetensors")
    (unfinished / "update.json").write_text(json.dumps({"update": update}))
    if state.exists():
        state.rename(before)
    unfinished.rename(state)
    shutil.rmtree(before, ignore_errors=True)


def load_state(out: Path, accelerator: Accelerator, averaged: AveragedModel) -> int:
    """Read the newest state in `out` into what was prepared; returns the updates taken, 0 if none.

    Raises:
        TrainingError: the state is damaged.
    """
    state = next((out / name for name in (STATE, BEFORE) if (out / name).exists()), None)
    if state is None:
        return 0
    try:
        accelerator.load_state(str(state))
        averaged.load_state_dict(load_file(state / "averaged.safetensors"))
        update = int(json.loads((state / "update.json").read_text())["update"])
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{state}: can't be resumed ({error}); remove it to start from {out / 'checkpoint'}"
            " with --init"
        ) from error
    log.info("resumed at update %d", update)
    return update
