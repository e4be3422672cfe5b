"""What `dlpo tune` prints: the outcome of a run, and with `--probe` what a reward prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from dlpo.rl.options import TuneOptions
    from dlpo.training.run import TrainingRun


def show_probe(options: TuneOptions) -> None:
    """Print what the reward prefers, before anything is tuned by it."""
    if options.tunes_endings:
        _probe_endings(options)
    else:
        _probe_judges(options)


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


def _probe_judges(options: TuneOptions) -> None:
    """Both answers for each part of the reward."""
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


def _probe_endings(options: TuneOptions) -> None:
    """Both answers for the reward of endings; a recognizer hears the second."""
    from dlpo.judges.whisper import Whisper
    from dlpo.rl.ending_probe import QUESTIONS, ending_score, held_out_questions, question_score
    from dlpo.rl.pitch_flow import PitchFlow
    from dlpo.rl.probe import Probe, Speaker
    from dlpo.text.languages import LANGUAGES, language_of

    prompts, whisper = options.prompts(), options.sources.whisper
    policy, languages = PitchFlow(options.base.model), options.base.provenance.languages
    probe, score = Probe(policy, options.corpora, QUESTIONS), ending_score(policy, languages)
    _show("endings: the speaker's own contour, less", probe.prefers_right(score))
    if whisper is None:
        typer.echo("nobody listens; give --whisper DIR to hear the best of eight", err=True)
        return
    heard = question_score(Speaker(policy, options.own_chain), Whisper(whisper))
    speakers = policy.model.config.speakers
    english = [one for one in speakers if language_of(one, languages) == LANGUAGES[0]]
    questions = held_out_questions(prompts, english)
    judges = {f"question mark, {whisper.name}": heard}
    chosen = probe.best_of_eight(score, judges, questions)
    _show("best of eight questions by endings, less their mean, by", chosen)


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
