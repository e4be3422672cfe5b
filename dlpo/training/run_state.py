"""A training run on disk: its log, and all that is needed to resume as if it had never stopped."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter

from dlpo.audio import Waveform, log_mel
from dlpo.errors import TrainingError
from dlpo.frame_grid import FrameGrid

log = logging.getLogger(__name__)
STATE = "state"
BEFORE = "state.before"
UNFINISHED = "state.part"
UPDATE = "update.json"
LOCK = "lock"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; other processes of the run may be reading it.

    Raises:
        TrainingError: it can't be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(content, indent=2) + "\n")
        unfinished.replace(path)
    except OSError as error:
        raise TrainingError(f"{path}: can't be written ({error})") from error


def save_state(
    out: Path,
    accelerator: Accelerator,
    averaged: AveragedModel,
    update: int,
    progress: Mapping[str, Any] | None = None,
) -> None:
    """Write `out/state`; a crash at any point leaves either this state or the previous one.

    Args:
        progress: JSON values that the run needs back, see `saved_progress`.

    Raises:
        TrainingError: it can't be written, for example because the disk is full.
    """
    unfinished, state, before = (out / name for name in (UNFINISHED, STATE, BEFORE))
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        accelerator.save_state(str(unfinished))
        weights = {name: value.detach().cpu() for name, value in averaged.state_dict().items()}
        save_file(weights, unfinished / "averaged.safetensors")
        (unfinished / UPDATE).write_text(json.dumps({"update": update, **(progress or {})}))
        if state.exists():
            shutil.rmtree(before, ignore_errors=True)
            state.rename(before)
        unfinished.rename(state)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch's and safetensors' own
        shutil.rmtree(unfinished, ignore_errors=True)
        free = shutil.disk_usage(out).free / 1e6
        raise TrainingError(
            f"{state}: update {update} can't be written ({error}); the disk has {free:.0f} MB"
            " free: make room and run the same command to resume from the previous state"
        ) from error
    shutil.rmtree(before, ignore_errors=True)


@contextmanager
def only_process(out: Path) -> Iterator[None]:
    """Within the block no other process may train in `out`; the lock ends with the process.

    Raises:
        TrainingError: another one does.
    """
    try:
        with FileLock(out / LOCK, blocking=False):
            yield
    except Timeout as error:
        raise TrainingError(
            f"{out}: another process trains here; wait until it ends, or choose another --out"
        ) from error


def load_state(out: Path, accelerator: Accelerator, averaged: AveragedModel) -> int:
    """Load the newest state in `out` into what was prepared; returns the updates taken, 0 if none.

    Raises:
        TrainingError: the state is damaged.
    """
    state = _newest(out)
    if state is None:
        return 0
    try:
        accelerator.load_state(str(state))
        averaged.load_state_dict(load_file(state / "averaged.safetensors"))
        update = int(_read_update(state)["update"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _unusable(state, error) from error
    log.info("resumed at update %d", update)
    return update


def saved_progress(out: Path) -> dict[str, Any]:
    """The `progress` given to `save_state`; empty if there is no state.

    Raises:
        TrainingError: the state is damaged.
    """
    state = _newest(out)
    if state is None:
        return {}
    try:
        progress = _read_update(state)
    except (OSError, ValueError) as error:
        raise _unusable(state, error) from error
    del progress["update"]
    return progress


def _read_update(state: Path) -> dict[str, Any]:
    """How far the run was; raises ValueError if the file is damaged."""
    found = json.loads((state / UPDATE).read_text())
    if not isinstance(found, dict) or not isinstance(found.get("update"), int):
        raise ValueError(f"{UPDATE} has no number of updates")
    return found


def _unusable(state: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"{state}: can't be resumed ({error}); delete it and start from"
        f" {state.parent / 'checkpoint'} with --init"
    )


def _newest(out: Path) -> Path | None:
    return next((out / name for name in (STATE, BEFORE) if (out / name).exists()), None)


class RunLog:
    """Writes `out/log.jsonl` and TensorBoard's events; the main process has one."""

    def __init__(self, out: Path) -> None:
        self.lines = out / "log.jsonl"
        self.writer = SummaryWriter(str(out))

    def figures(self, update: int, split: str, figures: dict[str, float]) -> None:
        """Add one line of figures after an update, of the `train` or the `validation` split.

        Raises:
            TrainingError: it can't be written.
        """
        rounded = {name: float(f"{value:.5g}") for name, value in figures.items()}
        with self._naming_a_full_disk():
            with self.lines.open("a") as file:
                file.write(json.dumps({"update": update, "split": split} | rounded) + "\n")
            for name, value in figures.items():
                self.writer.add_scalar(f"{split}/{name}", value, update)

    def sample(self, update: int, waveform: Waveform, grid: FrameGrid) -> None:
        """Add the audio of an utterance and an image of its log-mel.

        Raises:
            TrainingError: it can't be written.
        """
        peak = max(1.0, float(np.abs(waveform).max()))
        mel = log_mel(waveform, grid).T[::-1]
        picture = (mel - mel.min()) / max(1e-3, float(np.ptp(mel)))
        with self._naming_a_full_disk():
            self.writer.add_audio("sample", waveform / peak, update, grid.sample_rate_hz)
            self.writer.add_image("sample", picture, update, dataformats="HW")

    @contextmanager
    def _naming_a_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # TensorBoard's surfaces from its thread at the next event
            raise TrainingError(
                f"{self.lines}: the log can't be written ({error}); make room and run the same"
                " command to resume from the last state"
            ) from error
