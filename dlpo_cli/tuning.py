"""What `dlpo tune` prints: the outcome of a run, and with `--probe` what a reward prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo.rl.options import TuneOptions
    from dlpo.training.run import TrainingRun


def report_tuning(run: TrainingRun) -> None:
    """Show on stderr how judges measured a run: why it stopped, before and after, time by stage."""
    from dlpo.rl.tuner import Tuner

    if not isinstance(run, Tuner):
        return
    if run.stopped is not None:
        typer.echo(f"the guard stopped the run at update {run.update}: {run.stopped}", err=True)
    if run.best is None or run.baseline is None or run.last is None:
        typer.echo("no measurement was within the guard's limits, so there is no best", err=True)
        return
    before = run.baseline.figures()
    best = run.best["figures"]
    last = run.last.figures()
    table = Table("", "untuned", f"best, update {run.best['update']}", f"update {run.update}")
    for name in before:
        table.add_row(name, *(f"{panel[name]:.4f}" for panel in (before, best, last)))
    Console(stderr=True).print(table)
    spent = run.cost()["seconds_per_update"].items()
    each = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent)
    typer.echo(f"seconds per update: {each}", err=True)


def show_probe(options: TuneOptions) -> None:
    """Print what each part of the reward prefers, before anything is tuned by it."""
    if options.tunes_endings:
        raise InputError("--probe asks what judges prefer; endings is computed from the contour")
    from dlpo.rl.launch import ranked
    from dlpo.rl.pitch_flow import PitchFlow
    from dlpo.rl.probe import Probe, Speaker

    plan, _, models = ranked(options)
    policy = PitchFlow(options.base.model)
    probe, speaker = Probe(policy, options.corpora), Speaker(policy, plan.chain)
    held_out = {judge.name: speaker.score(judge) for judge in models.judges}
    for reward in models.reward.rewards:
        score = speaker.score(reward)
        preferred = probe.prefers_right(score)
        _show(f"{reward.name}: the speaker's own contour, less", preferred)
        if held_out:
            chosen = probe.best_of_eight(score, held_out)
            _show(f"best of eight by {reward.name}, less their mean, by", chosen)
        else:
            typer.echo("no judge is held out; give --weights to load some", err=True)


def _show(title: str, found: dict[str, list[float]]) -> None:
    """Means over sentences with 95 % intervals of a bootstrap over them."""
    from dlpo_bench.statistics import mean

    table = Table(title, "difference", "95 % interval", "")
    for name, differences in found.items():
        difference = mean(np.array(differences))
        interval = f"{difference.low:+.3f} to {difference.high:+.3f}"
        decided = difference.low > 0 or difference.high < 0
        verdict = "decided" if decided else "undecided"
        table.add_row(name, f"{difference.value:+.3f}", interval, verdict)
    Console().print(table)
