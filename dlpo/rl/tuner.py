"""`dlpo tune`: reinforcement learning of a policy, validated by held-out judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import InitProcessGroupKwargs
from torch import Tensor, nn

from dlpo.checkpoint import current_commit, load_checkpoint, save_checkpoint
from dlpo.config.strict import from_dict, to_dict
from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Corpora, describe_speech
from dlpo.data.preferences import PreferencePair
from dlpo.errors import ConfigError, DlpoError
from dlpo.model.build import Model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.batch_sources import BatchSource, LossTerm, PairSource, RecordingSource, RolloutSource
from dlpo.rl.collector import RolloutCollector, StageTimer
from dlpo.rl.conditions import Policy, freeze_all_but, reach_of
from dlpo.rl.explore import WeightSource, WeightSpace, prosody_moves
from dlpo.rl.methods import Plan
from dlpo.rl.panel import PanelFigures, ValidationPanel, divergence, gain, validation_recordings
from dlpo.rl.preferences import ListeningPairs
from dlpo.rl.prompts import Prompts, validation_prompts
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rollout import scored_steps
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches
from dlpo.training.run import Report, TrainingRun
from dlpo.training.run_state import RunLog, write_json

LONGEST_SILENCE = timedelta(hours=1)  # one process validates while the others wait


class Learner(nn.Module):
    """Any loss of the policy as one module, so that data-parallel training sees every gradient.

    Args:
        policy: the network.
        space: the space in which its weights are explored, if any.
    """

    def __init__(self, policy: Model, space: WeightSpace | None) -> None:
        super().__init__()
        self.policy, self.space = policy, space

    def forward(self, loss: Callable[[Policy], Tensor]) -> Tensor:
        return loss(self.policy)


class Tuner(TrainingRun):
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
        pairs: the preference pairs of the plan.

    Raises:
        CheckpointError, DataError, ConfigError: unusable input.
        TrainingError: `out` holds another run.
    """

    settings_key = "settings"
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
        pairs: Sequence[PreferencePair] = (),
    ) -> None:
        self.plan, self.reward, self.timer = plan, models.reward, StageTimer()
        self.base, self.dataset = load_checkpoint(start), data
        super().__init__(settings, out, InitProcessGroupKwargs(timeout=LONGEST_SILENCE))
        self.reference = load_checkpoint(start).model.requires_grad_(False)
        self.reference.to(self.accelerator.device)
        model = self.base.model
        sentences, longest_s = settings.validation_sentences, settings.validation_longest_s
        prompts = validation_prompts(self.dataset, sentences, longest_s)
        reach = reach_of(model, prompts[0])
        self.space, optimizer = self._learning(model)
        self._prepare(model, Learner(model, self.space), optimizer)
        recorded = validation_recordings(
            self.reference, Batches(self.dataset, "validation", 0, 0, model.config.rows)
        )
        self.panel = ValidationPanel(
            self.reference, prompts, plan.chain, models, recorded, self.timer, settings.rows, reach
        )
        drawn = Prompts(self.dataset, settings.seed, settings.longest_s)
        explored = scored_steps(plan.chain) if plan.objective.explore == "step" else ()
        self.collector = RolloutCollector(
            model, drawn, plan.chain, self.reward, self.processes, self.timer, settings, reach,
            explored,
        )  # fmt: skip
        self.source = self._source(models, pairs)
        self.baseline: PanelFigures | None = None
        self.last: PanelFigures | None = None
        self.best: dict[str, Any] | None = None
        self.recent: list[dict[str, float]] = []  # figures since the last log line
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

    # ------------------------------------------------------------------ what learns from what
    def _learning(self, model: Model) -> tuple[WeightSpace | None, torch.optim.Optimizer]:
        """Freeze all but the part that learns; exploring also moves what sets the prosody."""
        settings = self.training
        learning = freeze_all_but(model, settings.part, self.dataset.voices)
        explores, adapts = self.plan.objective.explore == "weights", settings.part == "adapters"
        rate, decay = settings.learning_rate, 0.0 if adapts else settings.weight_decay
        optimizer = torch.optim.AdamW(learning, rate, (0.9, 0.98), weight_decay=decay)
        if explores and adapts:
            raise ConfigError(
                "part is adapters; expected denoiser: exploring weights moves everybody's prosody"
            )
        if settings.passes != 1 and (explores or adapts):
            raise ConfigError(
                f"passes is {settings.passes}; expected 1: nothing would correct further steps"
            )
        if not explores:
            return None, optimizer
        prosody, momentum = prosody_moves(model), settings.explore_momentum
        return WeightSpace(learning, settings.subspace, momentum, prosody), optimizer

    def _source(self, models: RewardModels, pairs: Sequence[PreferencePair]) -> BatchSource:
        """The data of the plan's method."""
        settings, objective, collector = self.training, self.plan.objective, self.collector
        if pairs:
            chain, reach = self.plan.chain, collector.reach
            listened = ListeningPairs(pairs, self.reference, chain, reach, settings.seed)
            return PairSource(listened, self.reference, objective.preference_beta, collector)
        recordings = None
        if objective.needs_recordings or (self.space is not None and objective.returns_loss):
            adversary, supervised = None, objective.needs_recordings and objective.supervised
            if supervised and settings.adversary and not isinstance(self.model, WaveGrad2):
                rate, clip = settings.adversary_rate, settings.gradient_clip
                adversary = AdversarialTrainer(self.accelerator, rate, clip)
            batches = Batches(self.dataset, "train", settings.seed, 0, self.model.config.rows)
            moves_prosody = self.space is not None and "prosody" in self.space.blocks
            frozen = settings.part == "denoiser" and not moves_prosody
            recordings = RecordingSource(
                self.model, batches, objective, collector, adversary, frozen
            )
        if self.space is not None:
            return WeightSource(objective, self.space, collector, recordings)
        if objective.spec.loss is None:
            assert recordings is not None
            return recordings
        judge = models.differentiable
        return RolloutSource(objective, collector, self.reference, judge, recordings)

    def _after_step(self) -> None:
        if self.space is not None:
            self.space.learn(self.training.exploration_rate(self.update))
        super()._after_step()

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
        known, heard = self.base.provenance.corpus, describe_speech(self.dataset.datasets)
        provenance = replace(
            self.base.provenance,
            corpus="; ".join(dict.fromkeys([*known.split("; "), *heard.split("; ")])),
            data_sha256=self.dataset.sha256,
            commit=current_commit(),
            tuned=self.plan.tuned(self.update, self.base.sha256),
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
            self.recent, self.spent = [], dict(self.timer.seconds)
        if update % settings.validate_every == 0 or update == settings.updates:
            self._measure_panel(run_log)

    def _one_update(self) -> dict[str, float]:
        """Draw data and take `passes` optimizer steps.

        A failure before the first step leaves everything as it was before the update and saves
        it, so that the run resumes from there. After that step, the state on disk is kept.
        """
        logged = (self.update + 1) % self.training.log_every == 0
        moments, done = self.reward.state(), 0
        figures: dict[str, float] = {}
        try:
            with self.accelerator.autocast():
                batch = self.source.draw(self.update, logged)
            with self.timer.stage("learning"):
                for done in range(self.training.passes):
                    figures = self._descend(self._losses(batch.terms(done)))
        except DlpoError:
            if done == 0:
                self.reward.restore(moments)
                self.save()
            raise
        if logged:
            with self.timer.stage("measuring"), self.accelerator.autocast():
                figures |= batch.measure()
        return figures | batch.figures

    def _losses(self, terms: Sequence[LossTerm]) -> Iterator[Tensor]:
        """The weighted loss of each term; processes exchange gradients after the last one."""
        for term in terms:
            last = term is terms[-1]
            with nullcontext() if last else self.accelerator.no_sync(self.step):
                with self.accelerator.autocast():
                    loss = term.weight * self.step(term.loss)
                yield loss

    # ------------------------------------------------------------------ validation
    def _averaged_model(self) -> Model:
        return cast(Model, self.averaged.module.eval())

    def _measure_panel(self, run_log: RunLog | None) -> None:
        """Measure the averaged weights; the first time, these are the untuned voice's."""

        def measure() -> PanelFigures | None:
            if not self.accelerator.is_main_process:
                return None
            panel, sample = self.panel.measure(self._averaged_model())
            if run_log is not None:
                run_log.figures(self.update, "validation", panel.figures())
                run_log.sample(self.update, sample)
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
