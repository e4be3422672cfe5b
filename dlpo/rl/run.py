"""The loop of every tuning run: draw, reward, advantages, loss; then a step down the loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from dlpo.errors import DlpoError
from dlpo.rl.core.method import LossPart, Method
from dlpo.rl.timer import StageTimer
from dlpo.training.run import LossBatch, TrainingRun


class MethodRun(TrainingRun):
    """A run that follows a method, see `TrainingRun`.

    Update k draws its prompts and all noise from (seed, k) alone.
    """

    settings_key = "settings"
    method: Method
    timer: StageTimer

    def _before_draw(self) -> Any:
        """What a draw changes of the run, for `_undo_draw`."""

    def _undo_draw(self, before: Any) -> None:
        """Called if an update failed before its first step."""

    def _one_update(self) -> dict[str, float]:
        """Draw data and take an optimizer step for each pass over it.

        A failure before the first step leaves everything as it was before the update and saves
        it, so that the run resumes from there. After that step, the state on disk is kept.
        """
        logged = (self.update + 1) % self.training.log_every == 0
        before, done = self._before_draw(), 0
        figures: dict[str, float] = {}
        key = (self.training.seed * 1_000_003 + self.update) * 64 + self.accelerator.process_index
        torch.manual_seed(key)  # dropout, and which recordings the pitch learns from
        try:
            with self.accelerator.autocast():
                batch = self.method.collect(self.update, logged)
            with self.timer.stage("learning"):
                for done in range(self.method.setup.passes):
                    figures = self._descend(self._losses(self.method.parts(batch, done)))
        except DlpoError:
            if done == 0:
                self._undo_draw(before)
                self.save()
            raise
        figures |= {name: value.item() for name, value in self.method.joined_terms.items()}
        if logged:
            with self.timer.stage("measuring"), self.accelerator.autocast():
                figures |= self.method.measure(batch)
        return figures | batch.figures

    def _losses(self, parts: Sequence[Sequence[LossPart]]) -> Iterator[Tensor]:
        """The loss of each part; processes exchange gradients after the last one."""
        for part in parts:
            last = part is parts[-1]
            with nullcontext() if last else self.accelerator.no_sync(self.step):
                with self.accelerator.autocast():
                    loss = self.step(*part)
                if self.method.setup.joined and not torch.isfinite(loss):
                    self._fail(LossBatch(self.method.joined_terms, part[0]))
                yield loss
