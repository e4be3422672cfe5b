"""`dlpo train spectral`: the acoustics, the denoiser, or both together; bit-exactly resumable."""

from __future__ import annotations

import copy
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from dlpo.checkpoint import Provenance, load_checkpoint
from dlpo.config.models import SpectralConfig
from dlpo.config.strict import to_dict
from dlpo.config.training import SpectralTraining
from dlpo.data.dataset import Corpora
from dlpo.errors import TrainingError
from dlpo.model.build import build_model
from dlpo.model.spectral import SpectralWaveGrad2, learn_own_channels
from dlpo.text.symbols import SYMBOLS
from dlpo.training.acoustics import measured_mel, measured_prosody, predicted_acoustics
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches, Sentences, Windows
from dlpo.training.contour_losses import RecordedContours
from dlpo.training.losses import (
    Denoised,
    acoustic_losses,
    denoise_rows,
    denoiser_losses,
    mix,
    retimed_losses,
)
from dlpo.training.muon import Muon
from dlpo.training.run import LossBatch, TrainingRun
from dlpo.training.symbols import EMBEDDING, grown_embedding

VALIDATION_WINDOWS = 32
VALIDATION_TIMINGS = 256  # sentences
ADAPTERS = ("voices", "adapters", "gates")
DENOISER = ("conditioning", "level", "spectrum")
PARTS = {
    "acoustics": (
        *ADAPTERS, "embedding", "prenet", "encoder", "timing", "duration", "prosody", "mel",
    ),
    "adapters": ADAPTERS,
    "timing": ("timing",),
    "denoiser": DENOISER,
    "joint": DENOISER,
    "sound": ("mel", "prosody_in", *DENOISER),
    "contour": ("contour", "pitch_"),
}  # fmt: skip
"""Name prefixes of the weights that each part trains; `dlpo train contour` trains the contour's."""
FROM_EACH = (None, "denoiser", "contour")
"""Parts that the first, second and third checkpoint provide; None: all"""
ADAPTER_CHANNELS = 64
VOICE_ROWS = {
    "voices.weight", "conditioning_voices.weight", "gates.weight", "pitch_voices.weight",
    "pitch_ranges",
}  # fmt: skip
"""Weights with a row for each voice; only a model that draws its pitch has the last two."""


class SpectralStep(nn.Module):
    """The losses of one part as one module, so that data-parallel training sees every gradient."""

    def __init__(
        self,
        model: SpectralWaveGrad2,
        training: SpectralTraining,
        before: SpectralWaveGrad2 | None = None,
    ) -> None:
        """`before`: the model that training began with, if only its timing learns."""
        super().__init__()
        self.model = model
        self.training_config = training
        self.before = before

    def forward(
        self, windows: Windows | None, timings: Sentences | None, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Denoised | None]:
        """Loss terms, and what the denoiser predicted unless only the acoustics learn."""
        if self.before is not None:
            assert timings is not None
            return retimed_losses(self.model, self.before, timings), None
        assert windows is not None
        if self.training_config.learns_acoustics:
            return acoustic_losses(self.model, windows, timings, generator), None
        conditioning, share = self._condition(windows, generator), self.training_config.first_share
        denoised = denoise_rows(self.model, windows, conditioning, generator, share)
        return denoiser_losses(denoised, self.training_config.start_weight), denoised

    def _condition(self, windows: Windows, generator: torch.Generator) -> Tensor:
        """(B, C, F): from recorded mel; in joint and sound only a quarter, the rest from text."""
        model, mel = self.model, measured_mel(windows)
        voice, prosody = model.voice(windows.sentences.voices), measured_prosody(windows)
        if self.training_config.part == "denoiser":
            nothing = mel.new_zeros(len(mel), model.config.hidden_channels, mel.shape[2])
            return model.condition(nothing, prosody, mel, voice)
        made = predicted_acoustics(model, windows)
        chosen = (torch.rand(len(mel), generator=generator) < 0.75).to(mel.device)
        return model.condition(made.upsampled, prosody, mix(chosen, made.mel, mel), voice)


class SpectralTrainer(TrainingRun):
    """A training run of one part of `spectral`, see `TrainingRun`.

    Args:
        config: model to train; its voices are those of the corpora and of `inits`, from which all
            else comes too, but for a taper of the source.
        training: which part, and how.
        data: directories of prepared datasets.
        shares: of each dataset in what is drawn.
        out: directory of the run; already holds a state when resuming.
        inits: checkpoints to start from. Of several, the first provides the acoustics, the second
            the denoiser, a third the contour.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: an `init` or the run in `out` is of a different model.
    """

    model: SpectralWaveGrad2
    training: SpectralTraining

    def __init__(
        self,
        config: SpectralConfig,
        training: SpectralTraining,
        data: Sequence[Path],
        shares: Sequence[float],
        out: Path,
        inits: Sequence[Path] = (),
    ) -> None:
        self.dataset = Corpora(data, shares)
        if len(inits) > len(FROM_EACH):
            raise TrainingError(
                f"--init: {len(inits)} checkpoints; expected at most one each for acoustics,"
                " denoiser and contour"
            )
        started = [_started_from(path) for path in inits]
        before = [model for model, _ in started]
        sizes = {replace(m.config, voices=("",), adapter_channels=0, contour=None) for m in before}
        if len(sizes) > 1:
            raise TrainingError(
                "--init: the checkpoints differ in size; train all with the same --set model.*"
            )
        self.learned_before = [before.corpus for _, before in started]
        self.languages_before = dict(ChainMap(*(before.languages for _, before in started)))
        tunings = (tuning for _, before in started for tuning in before.tunings)
        self.tuned_before = tuple(dict.fromkeys(tunings))
        names = [*(v for m in before for v in m.config.voices), *self.dataset.voices]
        start = before[0].config if before else config
        if len(before) == len(FROM_EACH):
            if (contour := before[-1].config.contour) is None:
                raise TrainingError(
                    f"{inits[-1]}: has no contour; expected a checkpoint of dlpo train contour"
                )
            start = replace(start, contour=contour)
        if config.source_taper_hz:
            start = replace(start, source_taper_hz=config.source_taper_hz)
        self.dataset.check_grid(start.grid)
        voices, channels = tuple(dict.fromkeys(names)), start.adapter_channels
        if training.part == "adapters":
            if len(before) != 1:
                raise TrainingError(
                    f"part is adapters, which add voices to a checkpoint; got {len(before)} of"
                    " them: give it with --init"
                )
            channels += ADAPTER_CHANNELS * (voices != start.voices)
        # A checkpoint of an earlier version knows fewer symbols; it grows if the data has others.
        symbols = start.symbols if self.dataset.symbols <= start.symbols else len(SYMBOLS)
        self.config = replace(start, voices=voices, adapter_channels=channels, symbols=symbols)
        super().__init__(training, out)
        model = build_model(self.config)
        for source, part in zip(before, FROM_EACH, strict=False):
            model.load_state_dict(_fitting(source, model, part), strict=False)
        if training.part == "adapters":
            self._begin_voices(model, start)
        floating = ((k, w) for k, w in model.state_dict().items() if w.is_floating_point())
        self.start = {k: w.clone() for k, w in floating} if training.interpolation < 1 else {}
        self.learning = PARTS[training.part]
        for name, module in model.named_children():
            module.requires_grad_(name.startswith(self.learning))
        if training.part == "adapters":
            learn_own_channels(model, self.dataset.voices)
        learns = [weight for weight in model.parameters() if weight.requires_grad]
        # Weight decay would move the rows of voices that are not in the data.
        decay = 0.0 if training.part == "adapters" else training.weight_decay
        rate, betas = training.learning_rate, (0.9, 0.98)
        if training.optimizer == "muon":
            linear = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
            inner = [layer for layer in linear if layer is not model.spectrum_out]
            optimizer: torch.optim.AdamW = Muon(learns, rate, betas, decay, inner)
        else:
            optimizer = torch.optim.AdamW(learns, rate, betas, weight_decay=decay)
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = Batches(self.dataset, "train", seed, rank, self.config)
        self.held_out = Batches(self.dataset, "validation", seed, 0, self.config)
        self.before = None
        if training.part == "timing":
            self.before = copy.deepcopy(model).eval().requires_grad_(False)
        self._prepare(model, SpectralStep(model, training, self.before), optimizer)
        if not training.learns_acoustics and training.adversarial_from < training.updates:
            self.adversary = AdversarialTrainer(
                self.accelerator,
                training.adversarial_rate,
                training.gradient_clip,
            )
        self._open(
            {
                "model": to_dict(self.config),
                "part": training.part,
                "data_sha256": self.dataset.sha256,
            }
        )

    @torch.no_grad()
    def _begin_voices(self, model: SpectralWaveGrad2, start: SpectralConfig) -> None:
        """Start voices that `start` lacks as the first speaker, with their own pitch range."""
        weights, first = model.state_dict(), self.config.voices.index(self.config.speakers[0])
        rows = {v: row for row, v in enumerate(self.config.voices) if v not in start.voices}
        for name in VOICE_ROWS & weights.keys():
            for voice, row in rows.items():
                weights[name][row] = 0 if "/" in voice else weights[name][first]
        if model.contour is not None and rows:
            recorded = RecordedContours(self.dataset, "train", self.config.rows)
            for voice in (voice for voice in rows if "/" not in voice):
                model.pitch_ranges[rows[voice]] = torch.tensor([*recorded.range_of(voice), 1.0])

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        training = self.training
        update = self.update
        device = self.accelerator.device
        for name, module in self.model.named_children():
            # The denoiser has no dropout, and what it hears shouldn't have any either.
            module.train(training.learns_acoustics and name.startswith(self.learning))
        windows, timings = (drawn and drawn.to(device) for drawn in self._draw(update))
        with self.accelerator.autocast():
            terms, denoised = self.step(windows, timings, generator)
            if denoised is None or update < training.adversarial_from:
                return LossBatch(terms, windows or timings)
            others = torch.stack(list(terms.values())).sum()
            last_layer = self.model.spectrum_out.weight
            terms |= self.adversary.generator_losses(denoised, others, last_layer)

        def teach_adversary() -> dict[str, float]:
            if (update + 1) % training.adversary_every:
                return {}
            return {"adversary": self.adversary.discriminator_step(denoised, training.rate(update))}

        return LossBatch(terms, windows, teach_adversary)

    def _draw(self, update: int) -> tuple[Windows | None, Sentences | None]:
        """Windows, and sentences that only teach durations."""
        training, windows = self.training, None
        if training.part != "timing":
            windows = self.batches.windows(update, *self._size_and_window())
        if not training.learns_acoustics or not training.timing_batch:
            return windows, None
        return windows, self.batches.timings(update, training.timing_batch)

    def _learned(self) -> dict[str, Tensor]:
        learned, share = super()._learned(), self.training.interpolation
        moved = {k: torch.lerp(w.to(learned[k]), learned[k], share) for k, w in self.start.items()}
        return learned | moved

    def _size_and_window(self) -> tuple[int, int]:
        """B, and the frames of each window."""
        training = self.training
        if training.learns_acoustics:
            return training.acoustic_batch, training.acoustic_window
        return training.batch, training.window

    def _validate(self) -> dict[str, Tensor]:
        """Loss terms of the averaged weights on fixed windows, levels and noise."""
        if not (self.held_out.timed if self.before else self.held_out.recorded):
            return {}
        _, window = self._size_and_window()
        device = self.accelerator.device
        windows = timings = None
        if self.before:
            timings = self.held_out.timings(0, VALIDATION_TIMINGS).to(device)
        else:
            windows = self.held_out.windows(0, VALIDATION_WINDOWS, window).to(device)
        averaged = cast(SpectralWaveGrad2, self.averaged.module.eval())
        with self.accelerator.autocast():
            step = SpectralStep(averaged, self.training, self.before)
            terms: dict[str, Tensor]
            terms, _ = step(windows, timings, torch.Generator().manual_seed(0))
        return terms


def _started_from(path: Path) -> tuple[SpectralWaveGrad2, Provenance]:
    """A checkpoint's model, and where it came from."""
    loaded = load_checkpoint(path)
    model = loaded.model
    if not isinstance(model, SpectralWaveGrad2):
        raise TrainingError(f"{path}: is {model.config.model!r}; expected a spectral checkpoint")
    return model, loaded.provenance


def _fitting(
    start: SpectralWaveGrad2, model: SpectralWaveGrad2, part: str | None
) -> dict[str, Tensor]:
    """Weights of `start`, one part or all, with its voices and channels placed as in `model`."""
    prefixes, today = PARTS[part] if part else "", model.state_dict()
    weights = {k: w for k, w in start.state_dict().items() if k.startswith(prefixes)}
    rows = [model.config.voices.index(name) for name in start.config.voices]
    for name in weights.keys() & today.keys():
        if name.endswith(EMBEDDING):
            weights[name] = grown_embedding(weights[name], start.config.symbols, len(today[name]))
        if name in VOICE_ROWS or name.startswith("adapters"):
            places: Any = rows if name in VOICE_ROWS else slice(len(weights[name]))
            inner = [slice(size) for size in weights[name].shape[1:]]
            today[name][(places, *inner)] = weights[name]
            weights[name] = today[name]
    return weights
