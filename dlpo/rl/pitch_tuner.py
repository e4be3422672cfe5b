"""What every way to tune a voice's pitch has in common: the flow learns, nothing else does.

The diffusion loss of the flow (flow matching) on recordings, over whole contours, is what anchors
each of them; `dlpo.rl.endings_tuner` adds a reward, `dlpo.rl.pitch_preferences` people's choices.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from dlpo.checkpoint import Tuned, load_checkpoint, save_checkpoint
from dlpo.commit import current_commit
from dlpo.config.training import PitchTuning
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.model.contour import Flow
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.training.contour_losses import VALIDATION_CLIPS, RecordedContours
from dlpo.training.run import TrainingRun


class FlowStep(nn.Module):
    """The losses of an update as one module, so that data-parallel training sees every gradient."""

    def __init__(self, flow: Flow, losses: Callable[[Any], dict[str, Tensor]]) -> None:
        super().__init__()
        self.flow = flow
        self._losses = losses

    def forward(self, batch: Any) -> dict[str, Tensor]:
        return self._losses(batch)


class PitchTuner(TrainingRun):
    """A tuning run of the pitch flow; a subclass defines `losses` and `_tuned_by`.

    Args:
        start: checkpoint of a `spectral` that draws its pitch.
        data: prepared recordings of some of its voices, for the diffusion loss.
        out: directory of the run; already holds a state when resuming.
        settings: of the loop.

    Raises:
        ConfigError: the checkpoint draws no pitch.
        DataError: recordings are missing.
    """

    settings_key = "settings"
    training: PitchTuning

    def __init__(self, start: Path, data: Corpora, out: Path, settings: PitchTuning) -> None:
        self.base = load_checkpoint(start)
        self.dataset = data
        data.check_grid(self.base.config.grid)
        super().__init__(settings, out)
        self.policy = PitchFlow(self.base.model.requires_grad_(False))
        self.voice: SpectralWaveGrad2 = self.policy.model
        self.start = PitchFlow(self.voice, copy.deepcopy(self.policy.contour))
        flow = self.policy.flow.requires_grad_(True)
        optimizer = torch.optim.AdamW(
            flow.parameters(),
            settings.learning_rate,
            (0.9, 0.98),
            weight_decay=settings.weight_decay,
        )
        self._prepare(flow, FlowStep(flow, self.losses), optimizer)
        rows = self.voice.config.rows
        self.recorded = RecordedContours(data, "train", rows)
        held_out = RecordedContours(data, "validation", rows, most=VALIDATION_CLIPS)
        self.held_out = held_out.collate(held_out.utterances)

    # ------------------------------------------------------------------ what a subclass defines
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The terms of an update; their sum is minimized."""
        raise NotImplementedError

    def _tuned_by(self) -> tuple[str, str]:
        """Method and reward, as a checkpoint's provenance names them."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the common part
    def diffusion_loss(self) -> Tensor:
        """(): the flow-matching loss on recordings of one corpus or another."""
        settings, utterances = self.training, self.recorded.utterances
        random = torch.randint(len(self.dataset.datasets), (1,))
        corpus = [u for u in utterances if self.dataset.corpus_of(u) == int(random)]
        first = int(torch.randint(max(1, len(corpus) - settings.recorded + 1), (1,)))
        recorded = self.recorded.collate(corpus[first : first + settings.recorded])
        return self.policy.diffusion_loss(recorded, torch.default_generator, settings.times)

    def averaged_flow(self) -> Flow:
        """The averaged weights, which are validated and saved."""
        return cast(Flow, self.averaged.module.eval())

    def _described(self) -> Mapping[str, Any]:
        """What identifies every run, for `_open`."""
        return {"base_sha256": self.base.sha256, "data_sha256": self.dataset.sha256}

    def _save_checkpoint(self, path: Path) -> None:
        before, (method, reward) = self.base.provenance, self._tuned_by()
        tuned = Tuned(method, reward, *before.chain, self.update, self.base.sha256)
        provenance = replace(
            before.after(tuned),
            corpus=speech_learned([before.corpus], self.dataset.datasets),
            commit=current_commit(),
        )
        weights = dict(self.voice.state_dict())
        flow = self.averaged_flow().state_dict()
        weights |= {f"contour.flow.{name}": value for name, value in flow.items()}
        save_checkpoint(path, weights, self.base.config, provenance, torch.float16)
