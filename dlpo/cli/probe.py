"""`dlpo tune --probe`: what a reward prefers, before anything is tuned by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlpo.checkpoint import Checkpoint
    from dlpo.data.dataset import Corpora
    from dlpo.model.build import Model
    from dlpo.noise_schedule import NoiseSchedule
    from dlpo.rl.ending_prompts import EndingPrompt
    from dlpo.rl.probe import MeanDifference
    from dlpo.rl.reward_models import RewardModels


def probed(model: Model, data: Corpora, chain: NoiseSchedule, models: RewardModels) -> None:
    """Print both answers for each part of the reward."""
    from dlpo.rl.pitch_flow import PitchFlow
    from dlpo.rl.probe import Probe, Speaker

    policy = PitchFlow(model)
    probe, speaker = Probe(policy, data), Speaker(policy, chain)
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


def probed_endings(
    checkpoint: Checkpoint,
    data: Corpora,
    chain: NoiseSchedule,
    prompts: Sequence[EndingPrompt],
    whisper: Path | None,
) -> None:
    """Print both answers for the reward of endings; a recognizer hears the second."""
    from dlpo.judges.whisper import Whisper
    from dlpo.rl.ending_probe import QUESTIONS, ending_score, held_out_questions, question_score
    from dlpo.rl.pitch_flow import PitchFlow
    from dlpo.rl.probe import Probe, Speaker

    policy, languages = PitchFlow(checkpoint.model), checkpoint.provenance.languages
    probe, score = Probe(policy, data, QUESTIONS), ending_score(policy, languages)
    _show("endings: the speaker's own contour, less", probe.prefers_right(score))
    if whisper is None:
        typer.echo("nobody listens; give --whisper DIR to hear the best of eight", err=True)
        return
    heard = question_score(Speaker(policy, chain), Whisper(whisper))
    english = [one for one in policy.model.config.speakers if one not in languages]
    questions = held_out_questions(prompts, english)
    judges = {f"question mark, {whisper.name}": heard}
    chosen = probe.best_of_eight(score, judges, questions)
    _show("best of eight questions by endings, less their mean, by", chosen)


def _show(title: str, found: dict[str, MeanDifference]) -> None:
    table = Table(title, "difference", "95 % interval", "")
    for name, difference in found.items():
        interval = f"{difference.low:+.3f} to {difference.high:+.3f}"
        verdict = "decided" if difference.decided else "undecided"
        table.add_row(name, f"{difference.mean:+.3f}", interval, verdict)
    Console().print(table)
