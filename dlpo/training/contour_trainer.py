"""`dlpo train contour`: teaches a `lite` checkpoint to draw its pitch; resumable to the bit.

Nothing of the checkpoint changes but that it gets a contour, so any voice can be given one later.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.checkpoint import Provenance, load_checkpoint, save_checkpoint
from dlpo.config import ContourConfig, ContourTraining, LiteConfig, to_dict
from dlpo.data.dataset import Dataset
from dlpo.errors import TrainingError
from dlpo.model.contour import Contour
from dlpo.training.batches import Sentences, collate_sentences
from dlpo.training.contour_losses import (
    ReadingTask,
    contour_figures,
    flow_losses,
    lively_temperature,
    reading_losses,
)
from dlpo.training.contour_targets import Contours, RecordedContours
from dlpo.training.run import Lesson, TrainingRun

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


class ContourTrainer(TrainingRun):
    """A run of the contour, see `TrainingRun`.

    When the last update is done, the temperature is set so that draws are as lively as the
    validation recordings.

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

    identity = "voice, contour or dataset"
    training: ContourTraining

    def __init__(
        self,
        config: ContourConfig,
        training: ContourTraining,
        data: Path,
        out: Path,
        init: Path,
    ) -> None:
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
        super().__init__(training, out)
        step = ContourStep(self.config, self.voice.config.symbols, training)
        flow = list(step.contour.flow.parameters())
        reading = [*step.contour.reader.parameters(), *step.task.parameters()]
        optimizer = torch.optim.AdamW(
            [{"params": reading}, {"params": flow}],
            training.learning_rate,
            (0.9, 0.98),
            weight_decay=training.weight_decay,
        )
        self._prepare(step, step, optimizer)
        self.texts = [i for i in range(len(self.dataset)) if self._is_text(i)]
        self.texts.sort(key=lambda i: (self.dataset.entries[i].symbols, i))
        self._open(
            {
                "contour": to_dict(self.config),
                "voice_sha256": self.voice.sha256,
                "data_sha256": self.dataset.sha256,
            }
        )

    def _is_text(self, i: int) -> bool:
        entry = self.dataset.entries[i]
        return entry.split == "train" and entry.symbols > 0

    def _save_checkpoint(self, path: Path) -> None:
        """Write the voice with its contour as it is now."""
        weights = {
            name: value
            for name, value in self.voice.model.state_dict().items()
            if not name.startswith("contour.")
        }
        contour = self._averaged_step().contour
        weights |= {f"contour.{k}": v for k, v in contour.state_dict().items()}
        save_checkpoint(
            path,
            weights,
            replace(cast(LiteConfig, self.voice.config), contour=self._calibrated()),
            self.provenance,
            torch.float16,
        )

    @property
    def provenance(self) -> Provenance:
        """That of the voice: its updates, corpus and tuning stay what they are."""
        return self.voice.provenance

    def _lesson(self, key: int, generator: torch.Generator) -> Lesson:
        reads = self.update < self.training.reading_updates
        if self.update == self.training.reading_updates:
            self.model.load_state_dict(self.averaged.module.state_dict())
        batch = self._batch(reads, np.random.default_rng(key))
        return Lesson(self.step(batch, generator), batch)

    def _rates(self) -> list[float]:
        """Of what reads, which is nearly done when the contour is learnt, and of the flow."""
        training, rate = self.training, self.training.rate(self.update)
        reads = self.update < training.reading_updates
        return [rate if reads else rate * training.reading_rate, rate]

    def _batch(self, reads: bool, random: np.random.Generator) -> Sentences | Contours:
        """Neighbours in length, so that little of a batch is padding."""
        among = self.texts if reads else self.recorded.utterances
        first = int(random.integers(0, max(1, len(among) - self.training.batch + 1)))
        chosen = among[first : first + self.training.batch]
        device = self.accelerator.device
        if reads:
            return collate_sentences([self.dataset.timing(i) for i in chosen]).to(device)
        return self.recorded.collate(chosen).to(device)

    def _averaged_step(self) -> ContourStep:
        return cast(ContourStep, self.averaged.module.eval())

    def _calibrated(self) -> ContourConfig:
        """The configuration, once the run is done with the temperature that it takes."""
        if self.update < self.training.updates:
            return self.config
        temperature = lively_temperature(self._averaged_step().contour, self._held_out())
        return replace(self.config, temperature=temperature)

    def _held_out(self) -> Contours:
        batch = self.held_out.collate(self.held_out.utterances)
        return batch.to(self.accelerator.device)

    def _validate(self) -> dict[str, float]:
        """Figures of the averaged weights on the validation recordings, with fixed noise."""
        averaged, batch = self._averaged_step(), self._held_out()
        generator = torch.Generator().manual_seed(0)
        if self.update <= self.training.reading_updates:
            terms = averaged(batch.sentences, generator)
            return {name: value.item() for name, value in terms.items()}
        return contour_figures(averaged.contour, batch, VALIDATION_DRAWS, generator)
