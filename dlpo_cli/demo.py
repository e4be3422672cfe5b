"""`dlpo tune --demo`: what it needs is looked for first, then each phase is announced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dlpo.errors import UsageError, check_installed, needs
from dlpo.repository import from_repository
from dlpo_cli.options import Phases, run_shown

if TYPE_CHECKING:
    from dlpo.rl.demo import Ends

OUT = Path("dlpo-demo")
OWN_OPTIONS = {"demo", "out", "quiet", "verbose"}
CHECKPOINT = Path("voices/spectral/checkpoint")
TEXTS, WITHOUT = Path("recipe/texts/conversation-a.csv"), Path("recipe/held_out.txt")


def check_only_demo(context: typer.Context) -> None:
    """Refuse what the demo would ignore.

    Raises:
        UsageError: another option was given.
    """
    given = [
        param.opts[0] if param.opts[0].startswith("-") else param.opts[0].upper()
        for param in context.command.params
        if (source := context.get_parameter_source(param.name or "")) is not None
        and source.name == "COMMANDLINE"
        and param.name not in OWN_OPTIONS
    ]
    if given:
        raise UsageError(
            f"--demo takes no other option but --out; got {', '.join(given)}, which tune a voice of"
            " your own: leave out one or the other"
        )


def run_demo(out: Path) -> None:
    """Tune the two untuned voices, and write a page to hear it.

    Raises:
        InputError: checkpoint or texts are not here.
        MissingExtraError: a package of the extra `train` is not installed.
    """
    start, texts, without = map(from_repository, (CHECKPOINT, TEXTS, WITHOUT))
    check_installed("train")
    phases = Phases(3)
    phases.begin("loading PyTorch, speaking 48 sentences to learn from")
    with needs("train"):
        from dlpo.rl.demo import demo_tuner, ends, write_page

    tuner = demo_tuner(start, texts, without, out)
    phases.begin(f"tuning, {tuner.training.updates} updates")
    run_shown(tuner, "reward")
    phases.begin("speaking held-out sentences, before and after")
    verdict = said(ends(tuner))
    page = write_page(tuner, start, out, verdict)
    typer.echo(verdict)
    typer.echo(f"open {page}")


def said(ends: Ends) -> str:
    """Whether the held-out questions rise more often now, in a sentence.

    The test is over sentences: the draws and voices of one are not independent.
    """
    from dlpo_bench.statistics import paired

    found = paired(ends.after - ends.before)
    figures = (
        f"{100 * ends.before.mean():.0f} % of the endings of {found.sentences} held-out questions"
        f" rose before, {100 * ends.after.mean():.0f} % after"
        f" (difference {100 * found.difference.value:+.0f} points, 95 % interval"
        f" {100 * found.difference.low:+.0f} to {100 * found.difference.high:+.0f},"
        f" p = {found.p:.4f})"
    )
    if not found.decided:
        return f"No decided gain: {figures}."
    return f"A decided {'gain' if found.difference.value > 0 else 'loss'}: {figures}."
