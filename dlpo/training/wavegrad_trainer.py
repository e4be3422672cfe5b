"""`dlpo train base` and `large`: likelihood training of WaveGrad 2 as published.

Its data and losses come first: excerpts of recordings, and what is minimized.

Reference: Chen et al. 2021 (WaveGrad 2), section 2; Chen et al. 2020 (WaveGrad), section 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.audio import HOP_LENGTH, Waveform
from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import WaveGrad2Config
from dlpo.config.strict import to_dict
from dlpo.config.training import WaveGrad2Training
from dlpo.data.dataset import Corpora
from dlpo.diffusion import q_sample, training_target
from dlpo.errors import DataError, TrainingError
from dlpo.model.build import build_model
from dlpo.model.wavegrad2 import FRAMES_PER_SECOND, WaveGrad2
from dlpo.noise_schedule import MAX_STEPS, linear
from dlpo.training.batches import Batches, OnDevice, Sentences, sentences_of
from dlpo.training.losses import masked_mean
from dlpo.training.run import LossBatch, TrainingRun

VALIDATION_WINDOWS = 16
QUIETEST = 1e-3  # of full scale; clips with a lower peak are scaled as if they had this one


@dataclass(frozen=True, slots=True)
class Excerpts(OnDevice):
    """A window of each sentence with context on either side, F frames in all."""

    sentences: Sentences
    positions: Tensor
    """(B, F) centres of the frames within the utterance; below 0 and past its end too"""
    waveform: Tensor
    """(B, F * 300) plain samples, each recording scaled to a peak of 1; silence past its ends"""
    scored: Tensor
    """(B, F * 300) 1 within the window where the recording lasts, else 0"""


class ExcerptBatches:
    """Draws excerpts from one split; what update k draws does not depend on earlier updates.

    Args:
        batches: of the split; says which utterances and where.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches, self.dataset = batches, batches.dataset
        self._peaks: dict[int, float] = {}
        self.recorded = batches.recorded
        """indices of the split's recordings"""

    def draw(self, update: int, size: int, window: int, context: int) -> Excerpts:
        """`size` excerpts, utterances drawn in proportion to length.

        Args:
            update: the one to draw for.
            size: B.
            window: frames that are scored.
            context: frames on either side of them.

        Raises:
            DataError: the split has no recordings.
        """
        if not self.recorded:
            raise DataError(
                f"{self.dataset.path}: no recordings in this split to learn from; prepare"
                " a corpus with audio"
            )
        return self.collate(self.batches.places(update, size, window), window, context)

    def collate(self, places: Sequence[tuple[int, int]], window: int, context: int) -> Excerpts:
        """Excerpts whose window begins at (utterance, first frame)."""
        length = window + 2 * context
        size = len(places)
        positions = np.zeros((size, length), np.float32)
        waveform = np.zeros((size, length * HOP_LENGTH), np.float32)
        scored = np.zeros_like(waveform)
        for row, (i, first) in enumerate(places):
            frames = self.dataset.entries[i].frames
            start, end = first - context, first + window + context
            positions[row] = np.arange(start, end) + 0.5
            inside = _samples(max(0, start), min(frames, end), start)
            waveform[row, inside] = self._waveform(i, max(0, start), min(frames, end))
            scored[row, _samples(first, min(frames, first + window), start)] = 1
        sentences = sentences_of(self.dataset, [i for i, _ in places], self.batches.rows)
        return Excerpts(sentences, *map(torch.from_numpy, (positions, waveform, scored)))

    def _waveform(self, i: int, start: int, end: int) -> Waveform:
        """Some frames of a recording, scaled so that its peak is 1."""
        if i not in self._peaks:
            whole = self.dataset[i].waveform
            self._peaks[i] = max(QUIETEST, float(np.abs(whole).max()))
        piece = self.dataset.window(i, start, end - start).waveform
        out: Waveform = piece / np.float32(self._peaks[i])
        return out


def _samples(first: int, end: int, origin: int) -> slice:
    """The samples of frames `first` to `end` in an array that begins at frame `origin`."""
    return slice((first - origin) * HOP_LENGTH, (end - origin) * HOP_LENGTH)


def continuous_levels(size: int, generator: torch.Generator) -> Tensor:
    """(B,) noise levels sqrt(alpha_bar): one of the 1000 steps, then uniform up to the next.

    The steps are stratified over the batch, so that each update sees the whole schedule; a single
    row draws every step with equal probability.

    Reference: Chen et al. 2020, algorithm 1 ("hierarchical sampling").
    """
    share = (torch.rand(1, generator=generator) + torch.arange(size)) / size
    place = share.double() * MAX_STEPS  # between two of the 1,001 levels
    levels = torch.from_numpy(linear(MAX_STEPS))
    step = place.floor().long().clamp(max=MAX_STEPS - 1)
    return torch.lerp(levels[step], levels[step + 1], place - step).float()


def duration_loss(predicted: Tensor, sentences: Sentences) -> Tensor:
    """Mean squared error of durations in seconds, over the symbols.

    Args:
        predicted: (B, P) frames, 0 at padding.
    """
    error = (predicted - sentences.durations) / FRAMES_PER_SECOND
    return masked_mean(error.square(), sentences.mask.float())


def recorded_conditioning(model: WaveGrad2, hidden: Tensor, excerpts: Excerpts) -> Tensor:
    """(B, C, P) hidden sequence -> (B, C, F), spread over the frames by recorded durations."""
    sentences = excerpts.sentences
    ranges = model.predict_ranges(hidden, sentences.durations, sentences.mask)
    no_shift = hidden.new_zeros(len(hidden))
    conditioning, _ = model.frames(
        hidden, sentences.durations, ranges, excerpts.positions, no_shift
    )
    return conditioning


def wavegrad_losses(
    model: WaveGrad2, excerpts: Excerpts, duration_weight: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """L1 of the noise in the windows, and the durations; minimize their sum.

    The whole sentence is encoded and spread over the frames by the recorded durations, which is
    how the ranges learn; the decoder sees only the excerpt.

    Args:
        model: in train mode, or in eval mode to validate.
        excerpts: recordings.
        duration_weight: of the duration loss.
        generator: draws noise levels and noise, on the CPU.
    """
    sentences, clean = excerpts.sentences, excerpts.waveform
    hidden = model.hidden(sentences.phonemes, sentences.mask)
    durations = model.predict_durations(hidden, sentences.mask)
    conditioning = recorded_conditioning(model, hidden, excerpts)
    level = continuous_levels(len(clean), generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    noisy = q_sample(clean, level, noise)
    predicted = model.denoise(noisy, level, conditioning, torch.zeros_like(clean))
    target = training_target(clean, level, noise, model.parametrisation)
    return {
        "noise": masked_mean((predicted - target).abs(), excerpts.scored),
        "duration": duration_weight * duration_loss(durations, sentences),
    }


class WaveGradStep(nn.Module):
    """The losses as one module, so that data-parallel training sees every gradient."""

    def __init__(self, model: WaveGrad2, duration_weight: float) -> None:
        super().__init__()
        self.model, self.duration_weight = model, duration_weight

    def forward(self, excerpts: Excerpts, generator: torch.Generator) -> dict[str, Tensor]:
        return wavegrad_losses(self.model, excerpts, self.duration_weight, generator)


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
        self.config, self.dataset = config, Corpora([data])
        super().__init__(training, out)
        model = build_model(config)
        if init is not None:
            started = load_checkpoint(init)
            self.learned_before = [started.provenance.corpus]
            try:
                model.load_state_dict(started.model.state_dict())
            except RuntimeError as error:
                raise TrainingError(
                    f"{init}: its weights don't fit the model {config.model}; choose another"
                    " --init, or omit it"
                ) from error
        optimizer = torch.optim.AdamW(
            model.parameters(), training.learning_rate, weight_decay=training.weight_decay
        )
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = ExcerptBatches(Batches(self.dataset, "train", seed, rank, config.rows))
        self.held_out = ExcerptBatches(Batches(self.dataset, "validation", seed, 0, config.rows))
        self._prepare(model, WaveGradStep(model, training.duration_weight), optimizer)
        self._open({"model": to_dict(config), "data_sha256": self.dataset.sha256})

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        training = self.training
        size, window, context = training.batch, training.window, training.context
        excerpts = self.batches.draw(self.update, size, window, context)
        excerpts = excerpts.to(self.accelerator.device)
        with self.accelerator.autocast():
            return LossBatch(self.step(excerpts, generator), excerpts)

    def _validate(self) -> dict[str, Tensor]:
        """Losses of the averaged weights on fixed windows, levels and noise."""
        if not self.held_out.recorded:
            return {}
        training, model = self.training, cast(WaveGrad2, self.averaged.module.eval())
        excerpts = self.held_out.draw(0, VALIDATION_WINDOWS, training.window, training.context)
        excerpts = excerpts.to(self.accelerator.device)
        with self.accelerator.autocast():
            drawn = torch.Generator().manual_seed(0)
            return wavegrad_losses(model, excerpts, training.duration_weight, drawn)
