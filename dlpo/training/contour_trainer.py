"""`dlpo train contour`: teaches a `lite` checkpoint to draw its pitch; resumable to the bit.

Nothing of the checkpoint changes but that it gets a contour, so any voice can be given one later.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dlpo.checkpoint import Provenance, load_checkpoint, save_checkpoint
from dlpo.config import ContourConfig, ContourTraining, LiteConfig, to_dict
from dlpo.data.dataset import Dataset
from dlpo.errors import TrainingError
from dlpo.model.contour import Contour
from dlpo.training.averages import warm_average
from dlpo.training.batches import Sentences, collate_sentences
from dlpo.training.contest import descend
from dlpo.training.contour_losses import (
    ReadingTask,
    contour_figures,
    flow_losses,
    lively_temperature,
    reading_losses,
)
from dlpo.training.contour_targets import Contours, RecordedContours
from dlpo.training.interrupts import Interrupts
from dlpo.training.run_log import RunLog
from dlpo.training.run_state import load_state, save_state

Report = Callable[[int, dict[str, float]], None]
VALIDATION_DRAWS = 8


class ContourStep(nn.Module):
    """What learns, with its losses."""

    def __init__(self, config: ContourConfig, symbols: int, training: ContourTraining) -> None:
        super().__init__()
        self.contour = Contour(config, symbols)
        self.task = ReadingTask(config.channels, symbols)
        self.training_config = training

    def forward(self, batch: Sentences | Contours, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of reading for sentences, of the flow for recorded contours."""
        training = self.training_config
        if isinstance(batch, Contours):
            return flow_losses(self.contour, batch, training, generator)
        return reading_losses(
            self.contour.reader, self.task, batch, training.hidden_symbols, generator
        )


class ContourTrainer:
    """One run in one directory: `run.json`, `log.jsonl`, `state/`, `checkpoint/`.

    Update k draws its sentences, noise and dropout from (seed, k) alone. When the last one is done,
    the temperature is set so that draws are as lively as the validation recordings.

    Args:
        config: of the contour; its centre, spread and temperature are measured in recordings.
        training: how.
        data: directory of a prepared dataset.
        out: directory of the run; holds a state already when resuming.
        init: checkpoint of the `lite` that gets the contour.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: `init` is no `lite`, or the run in `out` is another one.
    """

    def __init__(
        self,
        config: ContourConfig,
        training: ContourTraining,
        data: Path,
        out: Path,
        init: Path,
    ) -> None:
        self.training, self.out = training, out
        self.voice = load_checkpoint(init)
        if not isinstance(self.voice.config, LiteConfig):
            raise TrainingError(
                f"{init}: is {self.voice.config.model!r}; only a lite has a contour"
            )
        self.dataset = Dataset(data)
        self.recorded = RecordedContours(self.dataset, "train")
        self.held_out = RecordedContours(self.dataset, "validation")
        self.config = replace(
            config, centre=round(self.recorded.centre, 4), spread=round(self.recorded.spread, 4)
        )
        self.accelerator = Accelerator(mixed_precision=training.precision)
        torch.manual_seed(training.seed)
        symbols = self.voice.config.symbols
        step = ContourStep(self.config, symbols, training)
        flow = list(step.contour.flow.parameters())
        reading = [*step.contour.reader.parameters(), *step.task.parameters()]
        optimizer = torch.optim.AdamW(
            [{"params": reading}, {"params": flow}],
            training.learning_rate,
            (0.9, 0.98),
            weight_decay=training.weight_decay,
        )
        self.averaged = AveragedModel(
            step, multi_avg_fn=warm_average(training.ema_decay), use_buffers=True
        ).to(self.accelerator.device)
        self.model = step
        self.step, self.optimizer = self.accelerator.prepare(step, optimizer)
        self.texts = [i for i in range(len(self.dataset)) if self._is_text(i)]
        self.texts.sort(key=lambda i: (self.dataset.entries[i].symbols, i))
        self.update = 0
        self.stop_signal: int | None = None
        self._open_run()

    def _is_text(self, i: int) -> bool:
        entry = self.dataset.entries[i]
        return entry.split == "train" and entry.symbols > 0

    def _open_run(self) -> None:
        """Write the description of a new run, or resume the one that is there."""
        self.out.mkdir(parents=True, exist_ok=True)
        description = self.out / "run.json"
        run = {
            "contour": to_dict(self.config),
            "voice_sha256": self.voice.sha256,
            "data_sha256": self.dataset.sha256,
        }
        if description.exists():
            before = json.loads(description.read_text())
            if {key: before.get(key) for key in run} != run:
                raise TrainingError(
                    f"{self.out}: holds a run of another voice, contour or dataset; choose another"
                    " --out"
                )
        self.update = load_state(self.out, self.accelerator, self.averaged)
        described = run | {"training": to_dict(self.training)}
        description.write_text(json.dumps(described, indent=2) + "\n")

    def save(self) -> None:
        """Write the state, and the voice with its contour as it is now."""
        if not self.accelerator.is_main_process:
            return
        save_state(self.out, self.accelerator, self.averaged, self.update)
        averaged = cast(ContourStep, self.averaged.module)
        weights = {
            name: value
            for name, value in self.voice.model.state_dict().items()
            if not name.startswith("contour.")
        }
        weights |= {f"contour.{k}": v for k, v in averaged.contour.state_dict().items()}
        save_checkpoint(
            self.out / "checkpoint",
            weights,
            replace(cast(LiteConfig, self.voice.config), contour=self._calibrated()),
            self.provenance,
            torch.float16,
        )

    @property
    def provenance(self) -> Provenance:
        """That of the voice: its updates, corpus and tuning stay what they are."""
        return self.voice.provenance

    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Train to the last update; on SIGINT or SIGTERM save and return early.

        Args:
            report: called after each update with its number and its loss terms.

        Returns:
            The checkpoint's directory.

        Raises:
            TrainingError: the loss is not finite, or the disk is full.
        """
        run_log = RunLog(self.out) if self.accelerator.is_main_process else None
        training = self.training
        started, first = time.monotonic(), self.update
        with Interrupts() as asked:
            while self.update < training.updates and asked.signal is None:
                figures = self._one_update()
                self.update += 1
                report(self.update, figures)
                pace = (time.monotonic() - started) / (self.update - first)
                if run_log is not None and self.update % training.log_every == 0:
                    figures["seconds_per_update"] = pace
                    run_log.figures(self.update, "train", figures)
                if run_log is not None and self.update % training.validate_every == 0:
                    run_log.figures(self.update, "validation", self._validate())
                if self.update % training.save_every == 0:
                    self.save()
            self.save()
        self.stop_signal = asked.signal
        return self.out / "checkpoint"

    def _one_update(self) -> dict[str, float]:
        training, update = self.training, self.update
        reads = update < training.reading_updates
        if update == training.reading_updates:
            self.model.load_state_dict(self.averaged.module.state_dict())
        rate = training.rate(update)
        of_reading = rate if reads else rate * training.reading_rate
        for group, value in zip(self.optimizer.param_groups, (of_reading, rate), strict=True):
            group["lr"] = value
        rank = self.accelerator.process_index
        key = (training.seed * 1_000_003 + update) * 64 + rank
        torch.manual_seed(key)  # dropout
        generator = torch.Generator().manual_seed(key)
        terms = self.step(self._batch(reads, np.random.default_rng(key)), generator)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            found = {name: round(value.item(), 4) for name, value in terms.items()}
            raise TrainingError(
                f"update {update}: the loss is not finite ({found}); resume from the last state"
                f" with a lower learning rate than {rate:.1e}"
            )
        figures = {name: value.item() for name, value in terms.items()} | {"loss": loss.item()}
        figures["gradient_norm"] = descend(
            self.accelerator, self.optimizer, self.step.parameters(), loss, training.gradient_clip
        )
        self.averaged.update_parameters(self.model)
        return figures

    def _batch(self, reads: bool, random: np.random.Generator) -> Sentences | Contours:
        """Neighbours in length, so that little of a batch is padding."""
        among = self.texts if reads else self.recorded.utterances
        first = int(random.integers(0, max(1, len(among) - self.training.batch + 1)))
        chosen = among[first : first + self.training.batch]
        device = self.accelerator.device
        if reads:
            return collate_sentences([self.dataset.timing(i) for i in chosen]).to(device)
        return self.recorded.collate(chosen).to(device)

    def _calibrated(self) -> ContourConfig:
        """The configuration, once the run is done with the temperature that it takes."""
        if self.update < self.training.updates:
            return self.config
        averaged = cast(ContourStep, self.averaged.module.eval())
        temperature = lively_temperature(averaged.contour, self._held_out())
        return replace(self.config, temperature=temperature)

    def _held_out(self) -> Contours:
        batch = self.held_out.collate(self.held_out.utterances)
        return batch.to(self.accelerator.device)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Figures of the averaged weights on the validation recordings, with fixed noise."""
        averaged = cast(ContourStep, self.averaged.module.eval())
        batch = self._held_out()
        generator = torch.Generator().manual_seed(0)
        if self.update <= self.training.reading_updates:
            terms = averaged(batch.sentences, generator)
            return {name: value.item() for name, value in terms.items()}
        return contour_figures(averaged.contour, batch, VALIDATION_DRAWS, generator)
