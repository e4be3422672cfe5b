"""`dlpo tune`: a policy learns on its own rollouts, watched by judges that take no part in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import InitProcessGroupKwargs
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dlpo.checkpoint import load_checkpoint
from dlpo.config import TuningConfig, from_dict, to_dict
from dlpo.data.dataset import Dataset
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DlpoError, TrainingError
from dlpo.model.build import Model
from dlpo.rl.conditions import Policy, freeze_all_but_denoiser, reach_of
from dlpo.rl.costs import Costs
from dlpo.rl.divergence import Panel, divergence, gain
from dlpo.rl.held_out import HeldOut, validation_prompts, validation_recordings
from dlpo.rl.listeners import Listeners
from dlpo.rl.method_step import method_step
from dlpo.rl.plan import Plan
from dlpo.rl.processes import Processes
from dlpo.rl.prompts import Prompts
from dlpo.rl.rewards.augmented import Augmentation
from dlpo.rl.rollouts import Rollouts
from dlpo.rl.run_directory import RunDirectory
from dlpo.rl.updates import Drawn, Term
from dlpo.training.averages import warm_average
from dlpo.training.batches import Batches
from dlpo.training.distributed import join_processes
from dlpo.training.interrupts import Interrupts
from dlpo.training.run_log import RunLog
from dlpo.training.run_state import load_state, save_state, saved_progress

LONGEST_SILENCE = timedelta(hours=1)  # one process validates while the others wait
Report = Callable[[int, dict[str, float]], None]


class Learner(nn.Module):
    """Any loss of the policy as one module, so that data-parallel training sees every gradient."""

    def __init__(self, policy: Model) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, loss: Callable[[Policy], Tensor]) -> Tensor:
        return loss(self.policy)


class Tuner:
    """One run in one directory.

        out/run.json      what the run is (plan, base, data) and its settings
        out/state/        everything to resume from
        out/checkpoint/   averaged weights as they are now, float16
        out/best/         those that held-out judges liked best while the guard had no objection
        out/best.json     its update and what was measured, beside the untuned voice
        out/cost.json     where the time went
        out/log.jsonl     figures; TensorBoard's events lie beside it

    Update k draws its prompts and all noise from (seed, k) alone, so that a resumed run is equal to
    the bit to one that never stopped, and one process does what several would.

    Args:
        start: checkpoint to tune.
        data: directory of a prepared dataset.
        out: directory of the run; holds a state already when resuming.
        plan: method, reward and chain.
        settings: everything else.
        listeners: the reward of the plan, and who is held out.
        pairs: the preference pairs of the plan.

    Raises:
        CheckpointError, DataError, ConfigError: unusable input.
        TrainingError: the run in `out` is another one.
    """

    def __init__(
        self,
        start: Path,
        data: Path,
        out: Path,
        plan: Plan,
        settings: TuningConfig,
        listeners: Listeners,
        pairs: Sequence[PreferencePair] = (),
    ) -> None:
        self.out, self.plan, self.settings = out, plan, settings
        self.reward = listeners.reward
        base, self.dataset = load_checkpoint(start), Dataset(data)
        self.directory = RunDirectory(out, base, plan, self.dataset.sha256)
        self.accelerator = join_processes(
            settings.precision, InitProcessGroupKwargs(timeout=LONGEST_SILENCE)
        )
        self.processes, self.costs = Processes(self.accelerator), Costs()
        model = base.model
        sentences, longest_s = settings.validation_sentences, settings.validation_longest_s
        spoken = validation_prompts(self.dataset, sentences, longest_s)
        reach = reach_of(model, spoken[0])
        self.model, self.reference = model, load_checkpoint(start).model.requires_grad_(False)
        self.reference.to(self.accelerator.device)
        self.learning = freeze_all_but_denoiser(model)
        optimizer = torch.optim.AdamW(
            self.learning, settings.learning_rate, (0.9, 0.98), weight_decay=settings.weight_decay
        )
        self.averaged = AveragedModel(
            model, multi_avg_fn=warm_average(settings.ema_decay), use_buffers=True
        ).to(self.accelerator.device)
        self.learner, self.optimizer = self.accelerator.prepare(Learner(model), optimizer)
        self.held_out = HeldOut(
            self.reference,
            spoken,
            plan.chain,
            listeners.reward.rewards,
            listeners.judges,
            listeners.recogniser,
            validation_recordings(self.reference, Batches(self.dataset, "validation", seed=0)),
            self.costs,
            settings.rows,
            reach,
        )
        self.rollouts = Rollouts(
            model,
            Prompts(self.dataset, settings.seed, settings.longest_s),
            plan.chain,
            self.reward,
            self.processes,
            self.costs,
            sentences=settings.sentences,
            group=settings.group,
            rows=settings.rows,
            reach=reach,
            augmentation=Augmentation() if settings.augment else None,
            seed=settings.seed,
        )
        self.step = method_step(
            plan, settings, self.dataset, self.rollouts, self.reference, listeners, pairs
        )
        self.update = 0
        self.stop_signal: int | None = None
        self.stopped: str | None = None
        """why the guard ended the run"""
        self.baseline: Panel | None = None
        self.last: Panel | None = None
        self.best: dict[str, Any] | None = None
        self._resume()

    # ------------------------------------------------------------------ the run on disk
    def _resume(self) -> None:
        """Write the description of a new run, or go on with the one that is there."""
        self.update = load_state(self.out, self.accelerator, self.averaged)
        progress = saved_progress(self.out)
        if progress:
            self.reward.restore(progress["moments"])
            self.costs.add(progress["seconds"])
            self.rollouts.chains_run = progress["chains_run"]
            self.best = progress["best"]
            self.baseline, self.last = (
                None if progress[name] is None else from_dict(Panel, progress[name])
                for name in ("baseline", "last")
            )
        if self.accelerator.is_main_process:
            self.directory.describe(self.settings)

    def save(self) -> None:
        """Write the state and the checkpoint.

        Raises:
            TrainingError, CheckpointError: they can't be written; the state before is whole.
        """
        if not self.accelerator.is_main_process:
            return
        progress = {
            "moments": self.reward.state(),
            "seconds": self.costs.seconds,
            "chains_run": self.rollouts.chains_run,
            "best": self.best,
            "baseline": None if self.baseline is None else to_dict(self.baseline),
            "last": None if self.last is None else to_dict(self.last),
        }
        save_state(self.out, self.accelerator, self.averaged, self.update, progress)
        self.directory.save_checkpoint("checkpoint", self._averaged_weights(), self.update)
        self.directory.write("cost.json", self.cost())

    def cost(self) -> dict[str, Any]:
        """Rollouts, and seconds by part, in all and an update."""
        seconds = self.costs.seconds
        updates = max(1, self.update)
        return {
            "updates": self.update,
            "rollouts_per_update": self.rollouts.chains_run / updates,
            "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
            "seconds_per_update": {
                name: round(spent / updates, 4) for name, spent in seconds.items()
            },
        }

    # ------------------------------------------------------------------ the loop
    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Tune to the last update, or until the guard ends it; SIGINT and SIGTERM save and return.

        Args:
            report: called after each update with its number and figures.

        Returns:
            The best checkpoint's directory.

        Raises:
            TrainingError: a judge failed, a gradient is not finite, the disk is full or another
                process is gone. `out/state` holds the last good update.
        """
        with Interrupts() as asked:
            try:
                self._run(asked, report)
            except RuntimeError as error:
                if self.processes.count == 1:
                    raise
                raise TrainingError(
                    f"update {self.update}: another process is gone, or doesn't answer ({error});"
                    " run the same command to go on from the last state"
                ) from error
        self.stop_signal = asked.signal
        return self.out / "best"

    def _run(self, asked: Interrupts, report: Report) -> None:
        run_log = RunLog(self.out) if self.accelerator.is_main_process else None
        settings = self.settings
        if self.baseline is None:
            self._validate(run_log)
        self._check_divergence()
        figures: list[dict[str, float]] = []
        spent = dict(self.costs.seconds)
        while self.update < settings.updates and self.stopped is None:
            if max(self.processes.gather(asked.signal or 0)):
                break
            logged = (self.update + 1) % settings.log_every == 0
            figures.append(self._one_update(logged))
            self.update += 1
            report(self.update, figures[-1])
            if logged:
                if run_log is not None:
                    told = _means(figures) | self._seconds_each(spent, len(figures))
                    run_log.figures(self.update, "train", told)
                figures, spent = [], dict(self.costs.seconds)
            if self.update % settings.validate_every == 0 or self.update == settings.updates:
                self._validate(run_log)
                self._check_divergence()
            if self.update % settings.save_every == 0:
                self.save()
        self.save()

    def _seconds_each(self, before: dict[str, float], updates: int) -> dict[str, float]:
        """What an update has taken by part; validation is no part of it."""
        spent = self.costs.since(before).items()
        return {f"seconds/{n}": s / updates for n, s in spent if not n.startswith("validation")}

    def _one_update(self, logged: bool) -> dict[str, float]:
        """Draw, learn, average.

        A failure before the first step of the optimiser leaves everything as it was before the
        update, so that it is saved: the run goes on from here. After it, the state on disk stands.
        """
        settings, moments = self.settings, self.reward.state()
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.update)
        steps = 0
        figures: dict[str, float] = {}
        try:
            with self.accelerator.autocast():
                drawn = self.step.draw(self.update, logged)
            with self.costs.of("learning"):
                for steps in range(settings.passes):
                    figures = self._descend(drawn.terms(steps))
                    self.averaged.update_parameters(self.model)
        except DlpoError:
            if steps == 0:
                self.reward.restore(moments)
                self.save()
            raise
        figures |= drawn.figures
        return figures | (self._measured(drawn) if logged else {})

    def _measured(self, drawn: Drawn) -> dict[str, float]:
        with self.costs.of("measuring"), self.accelerator.autocast():
            return drawn.measure()

    def _descend(self, terms: Sequence[Term]) -> dict[str, float]:
        """One step of the optimiser.

        Raises:
            TrainingError: the gradient is not finite; the step is not taken.
        """
        self.optimizer.zero_grad()
        total = 0.0
        for i, term in enumerate(terms):
            last = i == len(terms) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.learner):
                with self.accelerator.autocast():
                    loss = term.weight * self.learner(term.loss)
                self.accelerator.backward(loss)
            total += loss.item()
        norm = float(self.accelerator.clip_grad_norm_(self.learning, self.settings.gradient_clip))
        if not np.isfinite(norm):
            raise TrainingError(
                f"update {self.update}: the gradient's norm is {norm} (loss {total:.4g}); the step"
                " is not taken. Go on with a lower learning rate than"
                f" {self.settings.rate(self.update):.1e}, or another reward"
            )
        self.optimizer.step()
        return {"loss": total, "gradient_norm": norm}

    # ------------------------------------------------------------------ being watched
    def _averaged_model(self) -> Model:
        return cast(Model, self.averaged.module.eval())

    def _averaged_weights(self) -> dict[str, Tensor]:
        return self._averaged_model().state_dict()

    def _validate(self, run_log: RunLog | None) -> None:
        """Measure the averaged weights; the first time it is the untuned voice."""
        main = self.accelerator.is_main_process

        def measure() -> Panel | None:
            if not main:
                return None
            heard = self.held_out.measure(self._averaged_model())
            if run_log is not None:
                run_log.figures(self.update, "validation", heard.panel.figures())
                run_log.sample(self.update, heard.sample)
            return heard.panel

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
            if main:
                self.directory.save_checkpoint("best", self._averaged_weights(), self.update)
                told = self.best | {"baseline": self.baseline.figures()}
                self.directory.write("best.json", told)

    def _limit_passed(self) -> str | None:
        assert self.baseline is not None
        assert self.last is not None
        return divergence(self.baseline, self.last, self.settings)

    def _check_divergence(self) -> None:
        if self.settings.guard:
            self.stopped = self._limit_passed()


def _means(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure over the updates that had it."""
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: float(np.mean([one[name] for one in figures if name in one])) for name in names}
