"""`dlpo train lite`: likelihood training with averaged weights, resumable to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dlpo.audio import Waveform
from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import LiteConfig
from dlpo.config.strict import to_dict
from dlpo.config.training import TrainingConfig
from dlpo.data.dataset import Dataset
from dlpo.model.build import build_model
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.acoustics import Acoustics, FrozenAcoustics
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches, Sentences, Windows
from dlpo.training.losses import Denoised, acoustic_losses, denoise_windows, denoiser_losses
from dlpo.training.run import LossBatch, Report, TrainingRun, start_from
from dlpo.training.synthesis import speak

__all__ = ["Report", "Trainer", "TrainingStep"]

VALIDATION_WINDOWS = 32
SAMPLE_STEPS = 4  # reverse steps of the utterance that TensorBoard plays


def _total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


class TrainingStep(torch.nn.Module):
    """The losses as one module, so that data-parallel training sees every gradient."""

    def __init__(self, model: LiteWaveGrad2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        windows: Windows,
        given: Sentences | Acoustics | None,
        generator: torch.Generator,
    ) -> tuple[dict[str, Tensor], Denoised | None]:
        """Losses of the denoiser if `given` is the frozen acoustics, else of what is before it."""
        if not isinstance(given, Acoustics):
            return acoustic_losses(self.model, windows, given, generator), None
        denoised = denoise_windows(self.model, windows, given, generator)
        return denoiser_losses(denoised, self.model.config.patch), denoised


class Trainer(TrainingRun):
    """A run of `lite`, see `TrainingRun`; the average includes buffers.

    Args:
        config: model to train.
        training: how.
        data: directory of a prepared dataset.
        out: directory of the run; holds a state already when resuming.
        init: checkpoint to start from instead of random weights; its contour comes along.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: `init` or the run in `out` is of another model.
    """

    model: LiteWaveGrad2
    training: TrainingConfig

    def __init__(
        self,
        config: LiteConfig,
        training: TrainingConfig,
        data: Path,
        out: Path,
        init: Path | None = None,
    ) -> None:
        start = load_checkpoint(init) if init is not None else None
        if start is not None and isinstance(start.config, LiteConfig):
            config = replace(config, contour=start.config.contour)  # it stands still here
        self.config, self.dataset = config, Dataset(data)
        super().__init__(training, out)
        model = build_model(config)
        if start is not None and init is not None:
            start_from(model, start, init)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            training.learning_rate,
            (0.9, 0.98),
            weight_decay=training.weight_decay,
        )
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = Batches(self.dataset, "train", seed, rank)
        self.held_out = Batches(self.dataset, "validation", seed)
        self._prepare(model, TrainingStep(model), optimizer)
        self.adversary = AdversarialTrainer(
            self.accelerator, training.adversarial_rate, training.gradient_clip
        )
        self.acoustics = FrozenAcoustics(model, self.batches)
        self._open({"model": to_dict(config), "data_sha256": self.dataset.sha256})

    def _migrate_run_json(self, before: dict[str, Any]) -> dict[str, Any]:
        """Older runs don't mention a contour."""
        return before | {"model": {"contour": None} | before.get("model", {})}

    def _save_checkpoint(self, path: Path) -> None:
        self._save_averaged(path, self.config, self.dataset)

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        training, update = self.training, self.update
        device = self.accelerator.device
        given: Sentences | Acoustics | None = None
        if update < training.acoustic_updates:
            window = training.acoustic_window
            windows = self.batches.windows(update, training.batch, window).to(device)
            if training.timing_batch:
                given = self.batches.timings(update, training.timing_batch).to(device)
        else:
            if update == training.acoustic_updates:
                self.model.load_state_dict(self.averaged.module.state_dict())
            self.model.freeze_acoustics()
            windows = self.batches.windows(update, training.batch, training.window).to(device)
            given = self.acoustics.of(windows)
        with self.accelerator.autocast():
            terms, denoised = self.step(windows, given, generator)
            if denoised is None or not self._is_adversarial():
                return LossBatch(terms, windows)
            last_layer = self.model.patch_out.weight
            terms |= self.adversary.generator_losses(denoised, _total(terms), last_layer)
        every, rate = training.adversary_every, training.rate(update)
        return LossBatch(
            terms, windows, lambda: self.adversary.take_turn(denoised, update, every, rate)
        )

    def _is_adversarial(self) -> bool:
        return self.update >= self.training.updates - self.training.adversarial_updates

    def _averaged_model(self) -> LiteWaveGrad2:
        """The averaged weights, ready to speak."""
        return cast(LiteWaveGrad2, self.averaged.module.eval())

    def _validate(self) -> dict[str, float]:
        """Loss terms of the averaged weights on fixed windows, levels and noise."""
        if not self.held_out.recorded:
            return {}
        training, model = self.training, self._averaged_model()
        generator = torch.Generator().manual_seed(0)
        first_part = self.update <= training.acoustic_updates
        window = training.acoustic_window if first_part else training.window
        windows = self.held_out.windows(0, VALIDATION_WINDOWS, window).to(self.accelerator.device)
        with self.accelerator.autocast():
            if first_part:
                terms = acoustic_losses(model, windows, None, generator)
            else:
                given = FrozenAcoustics(model, self.held_out).of(windows)
                denoised = denoise_windows(model, windows, given, generator)
                terms = denoiser_losses(denoised, model.config.patch)
        return {name: value.item() for name, value in terms.items()}

    def _sample(self) -> Waveform | None:
        """The first validation text, once there is a denoiser."""
        if not self.held_out.recorded or self.update <= self.training.acoustic_updates:
            return None
        symbols, _ = self.dataset.timing(self.held_out.recorded[0])
        return speak(self._averaged_model(), symbols, named_schedule("cosine", SAMPLE_STEPS))
