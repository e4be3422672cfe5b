"""The base of every training and tuning run: its directory, its loop, stopping and resuming."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import DistributedDataParallelKwargs
from accelerate.utils import KwargsHandler
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dlpo.checkpoint import Provenance, Tuned, save_checkpoint
from dlpo.commit import current_commit
from dlpo.config.strict import to_dict
from dlpo.config.training import RunConfig
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.errors import TrainingError
from dlpo.model.build import model_config
from dlpo.text.languages import LANGUAGES
from dlpo.training.processes import Processes, join_processes
from dlpo.training.run_state import (
    RunLog,
    load_state,
    only_process,
    save_state,
    saved_progress,
    write_json,
)

Report = Callable[[int, dict[str, float]], None]
"""called after each update with its number and figures"""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class LossBatch:
    """The losses of one update."""

    terms: dict[str, Tensor]
    """the loss is their sum"""
    batch: Any
    """dataclass of tensors, saved for inspection if the loss is not finite"""
    afterwards: Callable[[], dict[str, float]] = dict
    """called after the optimizer step; returns more figures for the log"""


class TrainingRun:
    """One run in one directory.

        out/run.json      what is trained on which data, and the settings
        out/state/        everything to resume from: weights, optimizer, averaged weights, update
        out/checkpoint/   averaged weights as float16, to listen to, export and publish
        out/lock          held while a process trains here
        out/log.jsonl     one line of figures every `log_every` updates; TensorBoard events too

    Update k draws everything random from (seed, k) alone, so that a resumed run is bit-identical
    to one that never stopped.

    A subclass calls this constructor, which seeds torch, builds its network, passes it to
    `_prepare`, and calls `_open` once everything that belongs to the state exists.

    Args:
        training: settings of the loop.
        out: directory of the run; already holds a state when resuming.
        handler: accelerate's settings; by default each update may leave weights unused.
    """

    settings_key: ClassVar[str] = "training"
    """key of the settings in `run.json`"""

    config: Any
    """of the model in its checkpoint"""
    dataset: Corpora
    model: nn.Module
    """what learns"""
    step: nn.Module
    """its losses as one module, so that data-parallel training sees every gradient"""
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel
    learned_before: Sequence[str] = ()
    """training data of the checkpoints that it starts from, in their own words"""
    languages_before: Mapping[str, str] = MappingProxyType({})
    """those of their speakers, see `Provenance.languages`"""
    tuned_before: tuple[Tuned, ...] = ()
    """how they were tuned, the earliest first"""

    def __init__(
        self, training: RunConfig, out: Path, handler: KwargsHandler | None = None
    ) -> None:
        self.training = training
        self.out = out
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = join_processes(training.precision, handler or unused)
        self.processes = Processes(self.accelerator)
        self.gradient_clip = training.gradient_clip
        self.update = 0
        self.stop_signal: int | None = None
        self.stopped: str | None = None
        """why the run ended before its last update, other than by a signal"""
        torch.manual_seed(training.seed)

    # ------------------------------------------------------------------ what a subclass defines
    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        """The losses of update `self.update`; a run without them overrides `_one_update`.

        Args:
            key: of this update on this process; torch is seeded with it.
            generator: seeded with it too, on the CPU.
        """
        raise NotImplementedError

    def _save_checkpoint(self, path: Path) -> None:
        """Write the averaged weights as a checkpoint, with the updates and data behind it."""
        speech = speech_learned(self.learned_before, self.dataset.datasets)
        spoken = {**self.languages_before, **self.dataset.languages}
        provenance = Provenance(
            self.update,
            self.dataset.sha256,
            current_commit(),
            speech,
            tuned_before=self.tuned_before,
            languages={name: code for name, code in spoken.items() if code != LANGUAGES[0]},
        )
        weights = self._learned()
        save_checkpoint(path, weights, self.config, provenance, torch.float16)

    def _learned(self) -> dict[str, Tensor]:
        """The weights of the checkpoint."""
        return self.averaged.module.state_dict()

    def _rates(self) -> Sequence[float]:
        """The learning rate of each of the optimizer's groups in this update."""
        return [self.training.rate(self.update)] * len(self.optimizer.param_groups)

    def _validate(self) -> Mapping[str, float | Tensor]:
        """Figures of the averaged weights, () each, on held-out data; empty if there is none."""
        return {}

    def _progress(self) -> dict[str, Any]:
        """JSON values to save with the state, besides weights, optimizer and update."""
        return {}

    # ------------------------------------------------------------------ the common part
    def _prepare(self, model: nn.Module, step: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Add a network's weight average and move everything to the run's device and processes."""
        self.averaged = AveragedModel(
            model, multi_avg_fn=warm_average(self.training.ema_decay), use_buffers=True
        ).to(self.accelerator.device)
        self.model = model
        self.step, self.optimizer = self.accelerator.prepare(step, optimizer)

    def _open(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a new run in `run.json`, or resume the one in the directory.

        Args:
            described: JSON values that identify the run: model, data, method.

        Returns:
            The resumed run's `_progress`; empty for a new run.

        Raises:
            TrainingError: the directory holds another run, another process trains in it, or its
                state is damaged.
        """
        path = self.out / "run.json"
        now = json.loads(json.dumps(described))  # tuples to lists
        before = json.loads(path.read_text()) if path.exists() else now
        kept = before.get("model")
        if isinstance(kept, dict) and "model" in kept:  # of an earlier version: it lacks settings
            before["model"] = json.loads(json.dumps(to_dict(model_config(kept))))
        ours, theirs = dict(_flat(now)), dict(_flat({key: before.get(key) for key in now}))
        for setting, usual in (("optimizer", "adamw"), ("part", "denoiser")):
            ours[setting] = getattr(self.training, setting, usual)
            theirs[setting] = before.get(self.settings_key, ours).get(setting, usual)
        for key in {**ours, **theirs}:
            if ours.get(key) != theirs.get(key):
                raise TrainingError(
                    f"{self.out}: holds a run with {key} {json.dumps(theirs.get(key))}; this one"
                    f" has {json.dumps(ours.get(key))}: use the same value or choose another --out"
                )
        self.out.mkdir(parents=True, exist_ok=True)
        with self._alone():
            self.update = load_state(self.out, self.accelerator, self.averaged)
            if self.accelerator.is_main_process:
                write_json(path, {**now, self.settings_key: to_dict(self.training)})
        return saved_progress(self.out)

    def save(self) -> None:
        """Write the state and the checkpoint.

        Raises:
            TrainingError, CheckpointError: writing failed; the previous state is intact.
        """
        if not self.accelerator.is_main_process:
            return
        save_state(self.out, self.accelerator, self.averaged, self.update, self._progress())
        self._save_checkpoint(self.out / "checkpoint")

    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Train to the last update; on SIGINT or SIGTERM save and return early.

        Args:
            report: called after each update with its number and its figures.

        Returns:
            The checkpoint's directory.

        Raises:
            TrainingError: a loss or a gradient is not finite (`out/bad_batch.safetensors` has the
                batch), the disk is full, another process is lost, or one that isn't of this run
                trains in the same directory.
        """
        with self._alone(), Interrupts() as interrupts, self._naming_a_lost_process():
            run_log = RunLog(self.out) if self.accelerator.is_main_process else None
            self._begin(run_log)
            while self.update < self.training.updates and self.stopped is None:
                if max(self.processes.gather(interrupts.signal or 0)):
                    break
                figures = self._one_update()
                self.update += 1
                report(self.update, figures)
                self._log(run_log, figures)
                if self.update % self.training.save_every == 0:
                    self.save()
            self.save()
        self.stop_signal = interrupts.signal
        return self.out / "checkpoint"

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other runs out of the directory; the main process does so for all."""
        return only_process(self.out) if self.accelerator.is_main_process else nullcontext()

    @contextmanager
    def _naming_a_lost_process(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if self.processes.count == 1:
                raise
            raise TrainingError(
                f"update {self.update}: another process is gone or not responding ({error});"
                " run the same command to resume from the last state"
            ) from error

    def _begin(self, run_log: RunLog | None) -> None:
        """Called before the first update of this process."""
        self.began = (time.monotonic(), self.update)

    def _log(self, run_log: RunLog | None, figures: dict[str, float]) -> None:
        """Write what is due after this update; only the main process has a log."""
        if run_log is None:
            return
        training, update = self.training, self.update
        started, first = self.began
        if update % training.log_every == 0:
            pace = (time.monotonic() - started) / (update - first)
            run_log.figures(update, "train", figures | {"seconds_per_update": pace})
        if update % training.validate_every == 0:
            with torch.no_grad():
                if measured := self._validate():
                    figures = {name: float(value) for name, value in measured.items()}
                    run_log.figures(update, "validation", figures)

    def _one_update(self) -> dict[str, float]:
        """Draw a batch, take one optimizer step and return figures for the log."""
        training, update = self.training, self.update
        key = (training.seed * 1_000_003 + update) * 64 + self.accelerator.process_index
        torch.manual_seed(key)  # dropout
        losses = self._loss_batch(key, torch.Generator().manual_seed(key))
        loss = torch.stack(list(losses.terms.values())).sum()
        if not torch.isfinite(loss):
            self._fail(losses)
        figures = {name: value.item() for name, value in losses.terms.items()}
        return figures | self._descend([loss]) | losses.afterwards()

    def _descend(self, losses: Iterable[Tensor]) -> dict[str, float]:
        """Take one optimizer step down the sum of losses, and update the average.

        Args:
            losses: () each; its graph is freed before the next is requested.

        Raises:
            TrainingError: the gradient is not finite; no step is taken.
        """
        for group, rate in zip(self.optimizer.param_groups, self._rates(), strict=True):
            group["lr"] = rate
        self.optimizer.zero_grad()
        total = 0.0
        for loss in losses:
            self.accelerator.backward(loss)
            total += loss.item()
        learning = [p for p in self.step.parameters() if p.requires_grad]
        norm = float(self.accelerator.clip_grad_norm_(learning, self.gradient_clip))
        if not np.isfinite(norm):
            raise TrainingError(
                f"update {self.update}: the gradient's norm is {norm} (loss {total:.4g}), so no"
                " step is taken; resume from the last state with a lower learning rate than"
                f" {self.training.rate(self.update):.1e}"
            )
        self.optimizer.step()
        self._after_step()
        return {"loss": total, "gradient_norm": norm}

    def _after_step(self) -> None:
        """Average the new weights."""
        self.averaged.update_parameters(self.model)

    def _fail(self, losses: LossBatch) -> None:
        """Save the batch whose loss is not finite, and raise."""
        path = self.out / "bad_batch.safetensors"
        save_file(_tensors_of(losses.batch), path)
        values = {name: round(value.item(), 4) for name, value in losses.terms.items()}
        raise TrainingError(
            f"update {self.update}: the loss is not finite ({values}); its batch is at {path};"
            f" resume from the last state with a lower learning rate than"
            f" {self.training.rate(self.update):.1e}"
        )


class Interrupts:
    """Records Ctrl-C and SIGTERM within a block instead of raising; a second one raises
    KeyboardInterrupt, to stop in the middle of an update.

    >>> with Interrupts() as interrupts:
    ...     while interrupts.signal is None:
    ...         interrupts.signal = signal.SIGTERM  # an update
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._handlers = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for s, handler in self._handlers.items():
            signal.signal(s, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number


def warm_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average for `AveragedModel` that forgets its random start quickly.

    Integers, such as the batch count of a batch norm, are copied.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        if not averaged[0].is_floating_point():  # all have one dtype
            torch._foreach_copy_(averaged, current)
            return
        torch._foreach_lerp_(averaged, current, max(1 - decay, 9 / (10 + int(count))))

    return update


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        nested = isinstance(value, dict)
        yield from _flat(value, f"{within}{key}.") if nested else [(within + key, value)]


def _tensors_of(batch: Any) -> dict[str, Tensor]:
    """Every tensor of a dataclass and of the dataclasses in it, by the field's name."""
    tensors: dict[str, Tensor] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            tensors[field.name] = value.contiguous()
        elif is_dataclass(value):
            tensors |= _tensors_of(value)
    return tensors
