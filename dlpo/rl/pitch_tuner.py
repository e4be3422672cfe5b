"""What every way to tune a voice's pitch has in common: the flow learns, nothing else does.

The diffusion loss of the flow (flow matching) on recordings, over whole contours, is what anchors
each of them; `dlpo.rl.endings_tuner` adds a reward, `dlpo.rl.pitch_preferences` people's choices.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from dlpo.checkpoint import Tuned, load_checkpoint, save_checkpoint
from dlpo.commit import current_commit
from dlpo.config.tuning import PitchTuning
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.model.contour import Flow
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.core.method import Method, RecordedPart
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.run import MethodRun
from dlpo.rl.timer import StageTimer
from dlpo.training.contour_losses import VALIDATION_CLIPS, RecordedContours


class PitchRecordings:
    """Draws recordings for the diffusion loss, of one corpus or another.

    Args:
        recorded: their contours.
        count: of a batch.
    """

    def __init__(self, recorded: RecordedContours, data: Corpora, count: int) -> None:
        self.recorded = recorded
        self.data = data
        self.count = count

    def part(self, number: int) -> RecordedPart:
        """A batch by torch's own generator, which each update seeds."""
        random = torch.randint(len(self.data.datasets), (1,))
        of_all = self.recorded.utterances
        corpus = [u for u in of_all if self.data.corpus_of(u) == int(random)]
        first = int(torch.randint(max(1, len(corpus) - self.count + 1), (1,)))
        contours = self.recorded.collate(corpus[first : first + self.count])
        return RecordedPart(contours, torch.default_generator)


class PitchTuner(MethodRun):
    """A tuning run of the pitch flow; a subclass calls `_learn` and defines `_tuned_by`.

    Args:
        start: checkpoint of a `spectral` that draws its pitch.
        data: prepared recordings of some of its voices, for the diffusion loss.
        out: directory of the run; already holds a state when resuming.
        settings: of the loop.

    Raises:
        ConfigError: the checkpoint draws no pitch.
        DataError: recordings are missing.
    """

    training: PitchTuning

    def __init__(self, start: Path, data: Corpora, out: Path, settings: PitchTuning) -> None:
        self.base = load_checkpoint(start)
        self.dataset = data
        self.timer = StageTimer()
        data.check_grid(self.base.config.grid)
        super().__init__(settings, out)
        self.policy = PitchFlow(self.base.model.requires_grad_(False), times=settings.times)
        self.voice: SpectralWaveGrad2 = self.policy.model
        self.start = PitchFlow(self.voice, copy.deepcopy(self.policy.contour))
        rows = self.voice.config.rows
        recorded = RecordedContours(data, "train", rows)
        self.recordings = PitchRecordings(recorded, data, settings.recorded)
        held_out = RecordedContours(data, "validation", rows, most=VALIDATION_CLIPS)
        self.held_out = held_out.collate(held_out.utterances)

    def _learn(self, method: Method, described: Mapping[str, Any]) -> dict[str, Any]:
        """Learn by a method of `self.policy`; see `TrainingRun._open`.

        Args:
            described: what identifies the run, beside checkpoint and data.
        """
        settings = self.training
        self.method = method
        flow = self.policy.flow.requires_grad_(True)
        optimizer = torch.optim.AdamW(
            flow.parameters(),
            settings.learning_rate,
            (0.9, 0.98),
            weight_decay=settings.weight_decay,
        )
        self._prepare(flow, method, optimizer)
        sources = {"base_sha256": self.base.sha256, "data_sha256": self.dataset.sha256}
        return self._open({**sources, **described})

    def _tuned_by(self) -> tuple[str, str]:
        """Method and reward, as a checkpoint's provenance names them."""
        raise NotImplementedError

    def averaged_flow(self) -> Flow:
        """The averaged weights, which are validated and saved."""
        return cast(Flow, self.averaged.module.eval())

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
