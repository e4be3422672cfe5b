"""What every training run has in common: its directory, its loop, and how it stops and goes on."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from accelerate import DistributedDataParallelKwargs
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dlpo.audio import Waveform
from dlpo.checkpoint import Checkpoint
from dlpo.config import to_dict
from dlpo.errors import TrainingError
from dlpo.training.averages import warm_average
from dlpo.training.contest import descend
from dlpo.training.distributed import join_processes
from dlpo.training.interrupts import Interrupts
from dlpo.training.run_log import RunLog
from dlpo.training.run_state import load_state, save_state, write_json

Report = Callable[[int, dict[str, float]], None]
"""called after each update with its number and its loss terms"""


class RunSettings(Protocol):
    """What the loop asks of a training's configuration."""

    @property
    def updates(self) -> int: ...
    @property
    def gradient_clip(self) -> float: ...
    @property
    def ema_decay(self) -> float: ...
    @property
    def precision(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def log_every(self) -> int: ...
    @property
    def validate_every(self) -> int: ...
    @property
    def save_every(self) -> int: ...

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one update minimises."""

    terms: dict[str, Tensor]
    """the loss is their sum"""
    batch: Any
    """dataclass of tensors, to be kept if the loss is not finite"""
    afterwards: Callable[[], dict[str, float]] = dict
    """called when the step is taken; returns more figures for the log"""


class TrainingRun(ABC):
    """One run in one directory.

        out/run.json      what is trained on which data, and how
        out/state/        everything to resume from: weights, optimiser, averaged weights, update
        out/checkpoint/   averaged weights as float16, to listen to, export and publish
        out/log.jsonl     one line of figures every so often; TensorBoard's events lie beside it

    Update k draws all that is random from (seed, k) alone, so that a resumed run is equal to the
    bit to one that never stopped.

    A kind of training begins with this constructor, which seeds torch; builds its network;
    calls `_prepare` with it; and `_open` when it has everything that is part of the state.

    Args:
        training: how.
        out: directory of the run; holds a state already when resuming.
    """

    identity: ClassVar[str] = "model or dataset"
    """what two runs that can't share a directory differ in, for the error"""

    model: nn.Module
    """what learns"""
    step: nn.Module
    """its losses as one module, so that data-parallel training sees every gradient"""
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel

    def __init__(self, training: RunSettings, out: Path) -> None:
        self.training, self.out = training, out
        # Each part of a training leaves some weights alone.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = join_processes(training.precision, unused)
        self.update = 0
        self.stop_signal: int | None = None
        torch.manual_seed(training.seed)

    # ------------------------------------------------------------------ what each kind brings
    @abstractmethod
    def _lesson(self, key: int, generator: torch.Generator) -> Lesson:
        """What update `self.update` minimises.

        Args:
            key: of this update on this process; torch is seeded with it.
            generator: seeded with it too, on the CPU.
        """

    @abstractmethod
    def _save_checkpoint(self, path: Path) -> None:
        """Write the averaged weights as a checkpoint."""

    def _rates(self) -> Sequence[float]:
        """The learning rate of each of the optimiser's groups in this update."""
        return [self.training.rate(self.update)] * len(self.optimizer.param_groups)

    def _validate(self) -> dict[str, float]:
        """Figures of the averaged weights on what they don't learn from; none if it isn't there."""
        return {}

    def _sample(self) -> Waveform | None:
        """An utterance of the averaged weights for TensorBoard; None if they can't speak yet."""
        return None

    def _as_today(self, before: dict[str, Any]) -> dict[str, Any]:
        """The content of an older version's `run.json` as this version would have written it."""
        return before

    # ------------------------------------------------------------------ the common part
    def _prepare(self, model: nn.Module, step: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take the network into the run: its average, its device, its processes."""
        self.averaged = AveragedModel(
            model, multi_avg_fn=warm_average(self.training.ema_decay), use_buffers=True
        ).to(self.accelerator.device)
        self.model = model
        self.step, self.optimizer = self.accelerator.prepare(step, optimizer)

    def _open(self, described: Mapping[str, Any]) -> None:
        """Write the description of a new run, or resume the one that is there.

        Args:
            described: JSON values that say what is trained, on which data.

        Raises:
            TrainingError: the directory holds a run of something else, or its state is damaged.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "run.json"
        if path.exists():
            before = self._as_today(json.loads(path.read_text()))
            now = json.loads(json.dumps(described))  # tuples to lists
            if {key: before.get(key) for key in now} != now:
                raise TrainingError(
                    f"{self.out}: holds a run of another {self.identity}; choose another --out"
                )
        self.update = load_state(self.out, self.accelerator, self.averaged)
        if self.accelerator.is_main_process:
            write_json(path, {**described, "training": to_dict(self.training)})

    def save(self) -> None:
        """Write the state and the checkpoint."""
        if not self.accelerator.is_main_process:
            return
        save_state(self.out, self.accelerator, self.averaged, self.update)
        self._save_checkpoint(self.out / "checkpoint")

    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Train to the last update; on SIGINT or SIGTERM save and return early.

        Args:
            report: called after each update with its number and its loss terms.

        Returns:
            The checkpoint's directory.

        Raises:
            TrainingError: the loss is not finite (the batch lies in `out/bad_batch.safetensors`),
                or the disk is full.
        """
        run_log = RunLog(self.out) if self.accelerator.is_main_process else None
        started, first = time.monotonic(), self.update
        with Interrupts() as asked:
            while self.update < self.training.updates and asked.signal is None:
                figures = self._one_update()
                self.update += 1
                report(self.update, figures)
                pace = (time.monotonic() - started) / (self.update - first)
                if run_log is not None:
                    self._log(run_log, figures | {"seconds_per_update": pace})
                if self.update % self.training.save_every == 0:
                    self.save()
            self.save()
        self.stop_signal = asked.signal
        return self.out / "checkpoint"

    def _log(self, run_log: RunLog, figures: dict[str, float]) -> None:
        """Write what is due after this update."""
        training, update = self.training, self.update
        if update % training.log_every == 0:
            run_log.figures(update, "train", figures)
        if update % training.validate_every == 0:
            with torch.no_grad():
                if measured := self._validate():
                    run_log.figures(update, "validation", measured)
                if (sample := self._sample()) is not None:
                    run_log.sample(update, sample)

    def _one_update(self) -> dict[str, float]:
        training, update = self.training, self.update
        key = (training.seed * 1_000_003 + update) * 64 + self.accelerator.process_index
        torch.manual_seed(key)  # dropout
        lesson = self._lesson(key, torch.Generator().manual_seed(key))
        for group, rate in zip(self.optimizer.param_groups, self._rates(), strict=True):
            group["lr"] = rate
        loss = torch.stack(list(lesson.terms.values())).sum()
        if not torch.isfinite(loss):
            self._fail(lesson)
        figures = {name: value.item() for name, value in lesson.terms.items()}
        figures |= {"loss": loss.item()}
        figures["gradient_norm"] = descend(
            self.accelerator, self.optimizer, self.step.parameters(), loss, training.gradient_clip
        )
        self.averaged.update_parameters(self.model)
        return figures | lesson.afterwards()

    def _fail(self, lesson: Lesson) -> None:
        """Save the batch that gave no finite loss, and stop."""
        path = self.out / "bad_batch.safetensors"
        save_file(_tensors_of(lesson.batch), path)
        found = {name: round(value.item(), 4) for name, value in lesson.terms.items()}
        raise TrainingError(
            f"update {self.update}: the loss is not finite ({found}); its batch is in {path};"
            f" resume from the last state with a lower learning rate than"
            f" {self.training.rate(self.update):.1e}"
        )


def start_from(model: nn.Module, start: Checkpoint, init: Path) -> None:
    """Give a model the weights of a checkpoint.

    Args:
        init: where the checkpoint lies, for the error.

    Raises:
        TrainingError: it is of another model.
    """
    try:
        model.load_state_dict(start.model.state_dict())
    except RuntimeError as error:
        raise TrainingError(
            f"{init}: its weights are those of another model than the one to be trained (it is"
            f" {start.config.model!r}); choose another --init, or none"
        ) from error


def _tensors_of(batch: Any) -> dict[str, Tensor]:
    """Every tensor of a dataclass and of the dataclasses in it, by the field's name."""
    found: dict[str, Tensor] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            found[field.name] = value.contiguous()
        elif is_dataclass(value):
            found |= _tensors_of(value)
    return found
