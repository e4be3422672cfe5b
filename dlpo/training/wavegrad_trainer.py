"""`dlpo train mini`, `base` and `large`: likelihood training of WaveGrad 2 as published."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import WaveGrad2Config
from dlpo.config.strict import to_dict
from dlpo.config.training import WaveGrad2Training
from dlpo.data.dataset import Corpora
from dlpo.errors import TrainingError
from dlpo.model.build import build_model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.training.batches import Batches
from dlpo.training.excerpts import ExcerptBatches, Excerpts, Spectra
from dlpo.training.muon import Muon
from dlpo.training.run import LossBatch, TrainingRun
from dlpo.training.symbols import EMBEDDING, grown_embedding
from dlpo.training.wavegrad_losses import MelHead, text_losses, wavegrad_losses

VALIDATION_WINDOWS = 16


class WaveGradStep(nn.Module):
    """The losses as one module, so that data-parallel training sees every gradient."""

    def __init__(self, model: WaveGrad2, training: WaveGrad2Training) -> None:
        super().__init__()
        self.model = model
        self.recipe = training
        channels = model.config.encoder_channels + model.config.speaker_channels
        self.mel = MelHead(channels) if training.learns_mel else None

    def forward(self, batch: Excerpts | Spectra, generator: torch.Generator) -> dict[str, Tensor]:
        """The losses of excerpts, or those of whole sentences that have no part for the decoder."""
        if isinstance(batch, Spectra):
            assert self.mel is not None
            return text_losses(self.model, batch, self.recipe.duration_weight, self.mel)
        return self.of_excerpts(self.model, batch, generator)

    def of_excerpts(
        self, model: WaveGrad2, excerpts: Excerpts, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The losses of `model`, which may be the average of the one that learns."""
        return wavegrad_losses(model, excerpts, self.recipe, generator, self.mel)


class WaveGradTrainer(TrainingRun):
    """A training run of the published model, see `TrainingRun`: everything learns from the start.

    Args:
        config: model to train.
        training: the recipe.
        data: directory of a prepared dataset.
        out: directory of the run; already holds a state when resuming.
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
        self.config = config
        self.dataset = Corpora([data])
        self.dataset.check_grid(config.grid, fixed=True)
        super().__init__(training, out)
        model = build_model(config)
        step = WaveGradStep(model, training)
        if init is not None:
            started = load_checkpoint(init)
            self.learned_before = [started.provenance.corpus]
            self.languages_before = started.provenance.languages
            self.tuned_before = started.provenance.tunings
            weights, known = started.model.state_dict(), started.config.symbols
            for name, rows in weights.items():  # an earlier version knows fewer symbols
                if name.endswith(EMBEDDING) and known < config.symbols:
                    weights[name] = grown_embedding(rows, known, config.symbols)
            try:
                model.load_state_dict(weights)
            except RuntimeError as error:
                raise TrainingError(
                    f"{init}: its weights don't fit the model {config.model}; choose another"
                    " --init, or omit it"
                ) from error
        kind = Muon if training.optimizer == "muon" else torch.optim.AdamW
        optimizer = kind(
            step.parameters(), training.learning_rate, weight_decay=training.weight_decay
        )
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = ExcerptBatches(Batches(self.dataset, "train", seed, rank, config))
        self.held_out = ExcerptBatches(Batches(self.dataset, "validation", seed, 0, config))
        self._prepare(model, step, optimizer)
        self._open({"model": to_dict(config), "data_sha256": self.dataset.sha256})

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        batch = self._draw().to(self.accelerator.device)
        with self.accelerator.autocast():
            return LossBatch(self.step(batch, generator), batch)

    def _draw(self) -> Excerpts | Spectra:
        training = self.training
        if self.update < training.mel_updates:
            return self.batches.draw_whole(self.update, training.mel_batch)
        return self.batches.draw(self.update, training.batch, training.window, training.context)

    def _validate(self) -> dict[str, Tensor]:
        """Losses of the averaged weights on fixed windows, levels and noise.

        The mel head is the current one; it isn't averaged.
        """
        if not self.held_out.recorded:
            return {}
        training, model = self.training, cast(WaveGrad2, self.averaged.module.eval())
        excerpts = self.held_out.draw(0, VALIDATION_WINDOWS, training.window, training.context)
        excerpts = excerpts.to(self.accelerator.device)
        step = cast(WaveGradStep, self.accelerator.unwrap_model(self.step))
        with self.accelerator.autocast():
            return step.of_excerpts(model, excerpts, torch.Generator().manual_seed(0))
