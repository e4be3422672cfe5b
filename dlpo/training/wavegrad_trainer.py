"""`dlpo train base` and `large`: likelihood training of WaveGrad 2 as published."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from dlpo.audio import Waveform
from dlpo.checkpoint import load_checkpoint
from dlpo.config import WaveGrad2Config, WaveGrad2Training, to_dict
from dlpo.data.dataset import Dataset
from dlpo.model.build import build_model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.batches import Batches
from dlpo.training.run import LossBatch, TrainingRun, start_from
from dlpo.training.synthesis import speak
from dlpo.training.wavegrad_losses import ExcerptBatches, Excerpts, wavegrad_losses

VALIDATION_WINDOWS = 16
ANCESTRAL = 1.0  # eta of the published chain


class WaveGradStep(nn.Module):
    """The losses as one module, so that data-parallel training sees every gradient."""

    def __init__(self, model: WaveGrad2, duration_weight: float) -> None:
        super().__init__()
        self.model, self.duration_weight = model, duration_weight

    def forward(self, excerpts: Excerpts, generator: torch.Generator) -> dict[str, Tensor]:
        return wavegrad_losses(self.model, excerpts, self.duration_weight, generator)


class WaveGradTrainer(TrainingRun):
    """A run of the published model, see `TrainingRun`: everything learns from the first update on.

    Args:
        config: model to train.
        training: how.
        data: directory of a prepared dataset.
        out: directory of the run; holds a state already when resuming.
        init: checkpoint of the same model to start from instead of random weights.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: `init` or the run in `out` is of another model.
    """

    model: WaveGrad2
    training: WaveGrad2Training

    def __init__(
        self,
        config: WaveGrad2Config,
        training: WaveGrad2Training,
        data: Path,
        out: Path,
        init: Path | None = None,
    ) -> None:
        self.config, self.dataset = config, Dataset(data)
        super().__init__(training, out)
        model = build_model(config)
        if init is not None:
            start_from(model, load_checkpoint(init), init)
        optimizer = torch.optim.AdamW(
            model.parameters(), training.learning_rate, weight_decay=training.weight_decay
        )
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = ExcerptBatches(Batches(self.dataset, "train", seed, rank))
        self.held_out = ExcerptBatches(Batches(self.dataset, "validation", seed))
        self._prepare(model, WaveGradStep(model, training.duration_weight), optimizer)
        self._open({"model": to_dict(config), "data_sha256": self.dataset.sha256})

    def _save_checkpoint(self, path: Path) -> None:
        self._save_averaged(path, self.config, self.dataset)

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        training = self.training
        excerpts = self.batches.draw(
            self.update, training.batch, training.window, training.context
        ).to(self.accelerator.device)
        with self.accelerator.autocast():
            return LossBatch(self.step(excerpts, generator), excerpts)

    def _averaged_model(self) -> WaveGrad2:
        """The averaged weights, ready to speak."""
        return cast(WaveGrad2, self.averaged.module.eval())

    def _validate(self) -> dict[str, float]:
        """Losses of the averaged weights on fixed windows, levels and noise."""
        if not self.held_out.recorded:
            return {}
        training, model = self.training, self._averaged_model()
        excerpts = self.held_out.draw(0, VALIDATION_WINDOWS, training.window, training.context)
        generator = torch.Generator().manual_seed(0)
        with self.accelerator.autocast():
            terms = wavegrad_losses(
                model, excerpts.to(self.accelerator.device), training.duration_weight, generator
            )
        return {name: value.item() for name, value in terms.items()}

    def _sample(self) -> Waveform | None:
        """The first validation text by the published chain, if it may take the time."""
        if not self.held_out.recorded or not self.training.sample_steps:
            return None
        symbols, _ = self.dataset.timing(self.held_out.recorded[0])
        chain = named_schedule("linear", self.training.sample_steps, ANCESTRAL)
        return speak(self._averaged_model(), symbols, chain)
