"""`dlpo tune`: reinforcement learning of a policy, validated by held-out judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import InitProcessGroupKwargs

from dlpo.checkpoint import load_checkpoint, save_checkpoint
from dlpo.commit import current_commit
from dlpo.config.strict import from_dict, to_dict
from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora, speech_learned
from dlpo.model.build import Model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.assembly import method_of
from dlpo.rl.collector import RolloutCollector
from dlpo.rl.panel import PanelFigures, ValidationPanel, divergence, gain, validation_recordings
from dlpo.rl.plan import Plan
from dlpo.rl.prompts import Prompts, validation_prompts
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.run import MethodRun
from dlpo.rl.spoken_chain import SpokenChain, freeze_all_but, reach_of
from dlpo.rl.timer import StageTimer
from dlpo.training.batches import Batches
from dlpo.training.run import Report
from dlpo.training.run_state import RunLog, write_json

LONGEST_SILENCE = timedelta(hours=1)  # one process validates while the others wait


class Tuner(MethodRun):
    """One tuning run in one directory, see `TrainingRun`.

        out/best/         averaged weights at the best validation within the guard's limits
        out/best.json     its update and figures, and those of the untuned voice
        out/cost.json     seconds by stage

    Update k draws its prompts and all noise from (seed, k) alone, so that a resumed run is
    bit-identical to one that never stopped, and several processes do what one would.

    Args:
        start: checkpoint to tune.
        data: prepared datasets, with recordings of the checkpoint's voices.
        out: directory of the run; already holds a state when resuming.
        plan: method, reward and chain.
        settings: everything else.
        models: the reward of the plan, and the judges held out from it.

    Raises:
        CheckpointError, DataError, ConfigError: unusable input.
        TrainingError: `out` holds another run.
    """

    model: Model
    training: TuningConfig

    def __init__(
        self,
        start: Path,
        data: Corpora,
        out: Path,
        plan: Plan,
        settings: TuningConfig,
        models: RewardModels,
    ) -> None:
        self.plan = plan
        self.reward = models.reward
        self.timer = StageTimer()
        self.base = load_checkpoint(start)
        self.dataset = data
        data.check_grid(self.base.config.grid)
        super().__init__(settings, out, InitProcessGroupKwargs(timeout=LONGEST_SILENCE))
        prompts = validation_prompts(data, settings.validation_sentences, plan.language)
        reach, device = reach_of(self.base.model, prompts[0]), self.accelerator.device
        plan.check(settings)
        learning = freeze_all_but(self.base.model, settings.part, data.voices)
        untuned = load_checkpoint(start).model.requires_grad_(False)
        policy = SpokenChain(self.base.model.to(device), plan.chain, reach)
        self.reference = SpokenChain(untuned.to(device), plan.chain, reach)
        recorded = validation_recordings(
            self.reference.model, Batches(data, "validation", 0, 0, policy.model.config)
        )
        self.panel = ValidationPanel(
            self.reference, prompts, models, recorded, self.timer, settings.rows
        )
        self.collector = RolloutCollector(
            policy,
            Prompts(data, settings.seed, settings.longest_s, plan.language),
            models.reward,
            self.processes,
            self.timer,
            settings,
        )
        self.method = method_of(plan, self.collector, self.reference, data, models)
        decay = 0.0 if settings.part == "adapters" else settings.weight_decay
        self._prepare(
            policy.model,
            self.method,
            torch.optim.AdamW(learning, settings.learning_rate, (0.9, 0.98), weight_decay=decay),
        )
        self._add_adversary()  # its state follows the policy's
        self.baseline: PanelFigures | None = None
        self.last: PanelFigures | None = None
        self.best: dict[str, Any] | None = None
        self.recent: list[dict[str, float]] = []  # figures since the last log line
        self.spent: dict[str, float] = {}  # seconds by stage until then
        progress = self._open(
            {
                "model": to_dict(self.base.config),
                "base_sha256": self.base.sha256,
                "data_sha256": self.dataset.sha256,
                **to_dict(plan),
            }
        )
        if progress:
            self._restore(progress)

    def _add_adversary(self) -> None:
        """Train against an adversary where the control's loss is learned from."""
        recordings = self.method.setup.recordings
        wanted = self.training.adversary and not isinstance(self.model, WaveGrad2)
        if wanted and self.method.supervised and recordings is not None:
            recordings.add_adversary(self.accelerator)

    # ------------------------------------------------------------------ the run on disk
    def _restore(self, progress: dict[str, Any]) -> None:
        self.reward.restore(progress["moments"])
        self.timer.add(progress["seconds"])
        self.collector.chains_run = progress["chains_run"]
        self.best = progress["best"]
        self.baseline, self.last = (
            None if progress[name] is None else from_dict(PanelFigures, progress[name])
            for name in ("baseline", "last")
        )

    def _progress(self) -> dict[str, Any]:
        return {
            "moments": self.reward.state(),
            "seconds": self.timer.seconds,
            "chains_run": self.collector.chains_run,
            "best": self.best,
            "baseline": None if self.baseline is None else to_dict(self.baseline),
            "last": None if self.last is None else to_dict(self.last),
        }

    def _save_checkpoint(self, path: Path) -> None:
        provenance = replace(
            self.base.provenance.after(self.plan.tuned(self.update, self.base.sha256)),
            corpus=speech_learned([self.base.provenance.corpus], self.dataset.datasets),
            data_sha256=self.dataset.sha256,
            commit=current_commit(),
        )
        weights = self._averaged_model().state_dict()
        save_checkpoint(path, weights, self.base.config, provenance, torch.float16)

    def save(self) -> None:
        """See `TrainingRun.save`; writes `cost.json` too."""
        super().save()
        if self.accelerator.is_main_process:
            write_json(self.out / "cost.json", self.cost())

    def cost(self) -> dict[str, Any]:
        """Rollouts, and seconds by stage, in total and per update."""
        seconds, updates = self.timer.seconds, max(1, self.update)
        return {
            "updates": self.update,
            "rollouts_per_update": self.collector.chains_run / updates,
            "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
            "seconds_per_update": {n: round(spent / updates, 4) for n, spent in seconds.items()},
        }

    # ------------------------------------------------------------------ the loop
    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Tune to the last update, or until the guard ends the run; see `TrainingRun.run`.

        Returns:
            The best checkpoint's directory.

        Raises:
            TrainingError: also if a judge failed. `out/state` holds the last good update.
        """
        super().run(report)
        return self.out / "best"

    def _begin(self, run_log: RunLog | None) -> None:
        self.spent = dict(self.timer.seconds)
        if self.baseline is None:
            self._measure_panel(run_log)
        else:
            self._limit_passed()

    def _log(self, run_log: RunLog | None, figures: dict[str, float]) -> None:
        settings, update = self.training, self.update
        self.recent.append(figures)
        if update % settings.log_every == 0:
            if run_log is not None:
                spent = self.timer.since(self.spent).items()  # without validation
                each = {n: s / len(self.recent) for n, s in spent if not n.startswith("validation")}
                means = _means(self.recent) | {f"seconds/{name}": s for name, s in each.items()}
                run_log.figures(update, "train", means)
            self.recent = []
            self.spent = dict(self.timer.seconds)
        if update % settings.validate_every == 0 or update == settings.updates:
            self._measure_panel(run_log)

    def _before_draw(self) -> Any:
        return self.reward.state()

    def _undo_draw(self, before: Any) -> None:
        self.reward.restore(before)

    # ------------------------------------------------------------------ validation
    def _averaged_model(self) -> Model:
        return cast(Model, self.averaged.module.eval())

    def _measure_panel(self, run_log: RunLog | None) -> None:
        """Measure the averaged weights; the first time, these are the untuned voice's."""

        def measure() -> PanelFigures | None:
            if not self.accelerator.is_main_process:
                return None
            model = self._averaged_model()
            panel, sample = self.panel.measure(model)
            if run_log is not None:
                run_log.figures(self.update, "validation", panel.figures())
                run_log.sample(self.update, sample, model.config.grid)
            return panel

        panel = self.processes.all_do(measure)[0]
        assert panel is not None
        self.last = panel
        if self.baseline is None:
            self.baseline = panel
        if self._limit_passed() is not None:
            return
        score = gain(self.baseline, panel)
        if self.best is None or score > self.best["gain"]:
            self.best = {"update": self.update, "gain": score, "figures": panel.figures()}
            if self.accelerator.is_main_process:
                self._save_checkpoint(self.out / "best")
                figures = {"baseline": self.baseline.figures()}
                write_json(self.out / "best.json", self.best | figures)

    def _limit_passed(self) -> str | None:
        """Which limits the last measurement exceeded; they end a guarded run."""
        assert self.baseline is not None
        assert self.last is not None
        passed = divergence(self.baseline, self.last, self.training)
        self.stopped = passed if self.training.guard else None
        return passed


def _means(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the updates that have it."""
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: float(np.mean([one[name] for one in figures if name in one])) for name in names}
