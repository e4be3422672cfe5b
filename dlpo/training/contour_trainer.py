"""`dlpo train contour`: teaches a checkpoint to draw its pitch; bit-exactly resumable.

Nothing else in the checkpoint changes, so any `spectral` can be given a contour later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.checkpoint import load_checkpoint, save_checkpoint
from dlpo.config.models import ContourConfig, SpectralConfig
from dlpo.config.strict import to_dict
from dlpo.config.training import ContourTraining
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.errors import TrainingError
from dlpo.model.contour import Contour
from dlpo.training.batches import Sentences, sentences_of
from dlpo.training.contour_losses import (
    VALIDATION_CLIPS,
    Contours,
    ReadingTask,
    RecordedContours,
    contour_figures,
    flow_losses,
    lively_temperature,
    reading_losses,
)
from dlpo.training.run import LossBatch, TrainingRun

VALIDATION_DRAWS = 8


class ContourStep(nn.Module):
    """The modules that learn, with their losses.

    Args:
        config: of the contour.
        symbols: rows of the symbol embedding.
        training: how it learns.
        voices: rows of the voice embedding.
    """

    def __init__(
        self, config: ContourConfig, symbols: int, training: ContourTraining, voices: int
    ) -> None:
        super().__init__()
        self.contour = Contour(config, symbols)
        self.voices = nn.Embedding(voices, config.channels)
        nn.init.normal_(self.voices.weight, std=0.1)
        self.task = ReadingTask(config.channels, symbols)
        self.training_config = training

    def forward(self, batch: Sentences | Contours, generator: torch.Generator) -> dict[str, Tensor]:
        """Reading losses for sentences, flow losses for recorded contours."""
        training = self.training_config
        if isinstance(batch, Contours):
            voice = self.voice(batch.sentences)
            return flow_losses(self.contour, batch, training, generator, voice)
        share, voice = training.hidden_symbols, self.voice(batch)
        return reading_losses(self.contour.reader, self.task, batch, share, generator, voice)

    def voice(self, sentences: Sentences) -> Tensor:
        """(B, C) the sentences' voices."""
        known = (sentences.voices >= 0).unsqueeze(-1)
        out: Tensor = (self.voices(sentences.voices.clamp(min=0)) * known).sum(1)
        return out


class ContourTrainer(TrainingRun):
    """A training run of the contour, see `TrainingRun`.

    After the last update, each speaker's temperature is set so that draws are as lively as the
    speaker's validation recordings.

    Args:
        config: of the contour; its centre and spread are measured on the recordings.
        training: the recipe.
        data: directories of prepared datasets.
        shares: of each dataset in what is drawn.
        out: directory of the run; already holds a state when resuming.
        init: checkpoint of the model that gets the contour.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: `init` has no frame-wise F0 to replace, or the run in `out` is another one.
    """

    training: ContourTraining

    def __init__(
        self,
        config: ContourConfig,
        training: ContourTraining,
        data: Sequence[Path],
        shares: Sequence[float],
        out: Path,
        init: Path,
    ) -> None:
        self.voice = load_checkpoint(init)
        of_voice = self.voice.config
        if not isinstance(of_voice, SpectralConfig):
            raise TrainingError(
                f"{init}: model is {of_voice.model!r}; expected spectral, which has a contour"
            )
        self.voice_config = of_voice
        self.rows = of_voice.rows
        self.dataset = Corpora(data, shares)
        self.shares = np.array(shares) / sum(shares)
        self.dataset.check_grid(of_voice.grid)
        if self.dataset.symbols > of_voice.symbols:
            raise TrainingError(
                f"the datasets have symbols that {init} doesn't know, as of another language;"
                " train its acoustics with them first: dlpo train spectral --init"
            )
        self.recorded = RecordedContours(self.dataset, "train", self.rows)
        self.held_out = RecordedContours(
            self.dataset, "validation", self.rows, most=VALIDATION_CLIPS
        )
        centre, spread = self.recorded.range_of()
        self.config = replace(config, centre=round(centre, 4), spread=round(spread, 4))
        super().__init__(training, out)
        step = ContourStep(self.config, of_voice.symbols, training, len(of_voice.voices))
        flow = list(step.contour.flow.parameters())
        ours = {id(weight) for weight in flow}
        reading = [weight for weight in step.parameters() if id(weight) not in ours]
        optimizer = torch.optim.AdamW(
            [{"params": reading}, {"params": flow}],
            training.learning_rate,
            (0.9, 0.98),
            weight_decay=training.weight_decay,
        )
        self._prepare(step, step, optimizer)
        entries = enumerate(self.dataset.entries)
        texts = [(e.symbols, i) for i, e in entries if e.split == "train" and e.symbols]
        self.texts = self.dataset.by_corpus([i for _, i in sorted(texts)])
        self.contours = self.dataset.by_corpus(self.recorded.utterances)
        self._open(
            {
                "contour": to_dict(self.config),
                "voice_sha256": self.voice.sha256,
                "data_sha256": self.dataset.sha256,
            }
        )

    def _save_checkpoint(self, path: Path) -> None:
        """Write the voice with its current contour."""
        before, step = self.voice.model.state_dict(), self._averaged_step()
        weights = {k: v for k, v in before.items() if not k.startswith("contour.")}
        weights |= {f"contour.{k}": v for k, v in step.contour.state_dict().items()}
        weights |= {"pitch_voices.weight": step.voices.weight, "pitch_ranges": self._ranges()}
        config = replace(self.voice_config, contour=self.config)
        learned = self.voice.provenance
        corpus = speech_learned([learned.corpus], self.dataset.datasets)
        provenance = learned.with_new_pitch(corpus)  # updates count the other weights'
        save_checkpoint(path, weights, config, provenance, torch.float16)

    def _ranges(self) -> Tensor:
        """(voices, 3) centre, spread and temperature of each speaker, and what each session adds to
        them."""
        ranges = []
        for voice in self.voice_config.voices:
            speaker = np.array(self.recorded.range_of(voice.split("/")[0]))
            own = np.array(self.recorded.range_of(voice))
            ranges.append(
                [*(own - speaker), 0.0] if "/" in voice else [*speaker, self._temperature(voice)]
            )
        return torch.tensor(ranges, dtype=torch.float32)

    def _temperature(self, speaker: str) -> float:
        """Temperature of a speaker; 1 until the run is done, or without validation recordings."""
        entries = self.dataset.entries
        recorded = self.held_out.utterances
        chosen = [i for i in recorded if entries[i].voice.split("/")[0] == speaker]
        if self.update < self.training.updates or not chosen:
            return 1.0
        step, held_out = self._averaged_step(), self._held_out(chosen)
        with torch.no_grad():
            voice = step.voice(held_out.sentences)
        return lively_temperature(step.contour, held_out, voice)

    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        reads = self.update < self.training.reading_updates
        if self.update == self.training.reading_updates:
            self.model.load_state_dict(self.averaged.module.state_dict())
        batch = self._batch(reads, np.random.default_rng(key))
        return LossBatch(self.step(batch, generator), batch)

    def _rates(self) -> list[float]:
        """Rates of the reader, nearly trained by the time the contour learns, and of the flow."""
        training, rate = self.training, self.training.rate(self.update)
        reads = self.update < training.reading_updates
        return [rate if reads else rate * training.reading_rate, rate]

    def _batch(self, reads: bool, random: np.random.Generator) -> Sentences | Contours:
        """Items of similar length from one corpus, so that little of a batch is padding."""
        by_corpus = self.texts if reads else self.contours
        shares = self.shares * np.array([bool(utterances) for utterances in by_corpus])
        among = by_corpus[int(random.choice(len(shares), p=shares / shares.sum()))]
        first = int(random.integers(0, max(1, len(among) - self.training.batch + 1)))
        chosen = among[first : first + self.training.batch]
        device = self.accelerator.device
        if reads:
            return sentences_of(self.dataset, chosen, self.rows).to(device)
        return self.recorded.collate(chosen).to(device)

    def _averaged_step(self) -> ContourStep:
        return cast(ContourStep, self.averaged.module.eval())

    def _held_out(self, utterances: list[int] | None = None) -> Contours:
        """Validation recordings, all of them by default."""
        batch = self.held_out.collate(utterances or self.held_out.utterances)
        return batch.to(self.accelerator.device)

    def _validate(self) -> Mapping[str, float | Tensor]:
        """Figures of the averaged weights on the validation recordings, with fixed noise."""
        averaged, batch = self._averaged_step(), self._held_out()
        generator = torch.Generator().manual_seed(0)
        if self.update <= self.training.reading_updates:
            terms: dict[str, Tensor] = averaged(batch.sentences, generator)
            return terms
        voice = averaged.voice(batch.sentences)
        return contour_figures(averaged.contour, batch, VALIDATION_DRAWS, generator, voice)
