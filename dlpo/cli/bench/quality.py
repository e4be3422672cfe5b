"""The command bench quality."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import (
    JUDGES,
    SPEECH,
    Corpus,
    Eta,
    Schedule,
    Weights,
    command_line,
    needs,
    progress,
)

_TIMED = "What is timed"


def quality(
    work: Annotated[
        Path,
        typer.Option(help="Directory for all that was heard and timed; run again to go on there."),
    ] = Path("runs/bench-quality"),
    record: Annotated[
        bool, typer.Option(help="Write a record of what the directory has to benchmarks/records.")
    ] = False,
    untuned: Annotated[
        Path, typer.Option(help="Checkpoint before tuning.", rich_help_panel=SPEECH)
    ] = Path("voices/lj/checkpoint"),
    tuned: Annotated[
        Path, typer.Option(help="Checkpoint after it.", rich_help_panel=SPEECH)
    ] = Path("voices/lj/tuned"),
    voice: Annotated[
        str, typer.Option(help="Bundle of the tuned one.", rich_help_panel=SPEECH)
    ] = "lj",
    steps: Annotated[
        list[int] | None,
        typer.Option(
            help="Reverse steps; repeatable. 1 to 8, 16, 50 and 1000 if left out.",
            rich_help_panel=SPEECH,
        ),
    ] = None,
    schedule: Schedule = None,
    eta: Eta = None,
    hear: Annotated[bool, typer.Option(help="Let judges hear what they did not hear yet.")] = True,
    corpus: Corpus = Path("../shared/data/ljspeech"),
    clips: Annotated[int, typer.Option(min=1, help="Test sentences.", rich_help_panel=JUDGES)] = 20,
    fewer: Annotated[
        list[str] | None,
        typer.Option(
            help="N=CLIPS: from N steps on, at most so many clips, and as many rounds;"
            " repeatable. 1000=2 if left out.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds for hearing; what does not fit is left for another run.",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    weights: Weights = Path("../shared/models"),
    rounds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Time all points in turn, so often; 0 leaves an earlier timing as it is.",
            rich_help_panel=_TIMED,
        ),
    ] = 5,
) -> None:
    """Show what judges say of few steps and of many, before and after tuning, and what each costs.

    Everything is kept as soon as it is measured: end it when you like, and run it again.
    """
    with needs("bench"):
        from dlpo_bench.clips import TEST_SPLIT, load_clips
        from dlpo_bench.judging import load_panel
        from dlpo_bench.machine import watch_machine
    with needs("serve"):
        from dlpo_bench.pareto.points import FEWER, STEPS, Kept, open_points, panel_facts
        from dlpo_bench.pareto.study import hear as hear_clips
        from dlpo_bench.pareto.study import outcome, time_rounds, turns, wanted
    with needs("train"):
        import torch
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.quality import pareto_blocks
    from dlpo_bench.tables import show

    if record:
        check_recordable()
    torch.set_num_threads(1)  # costs are of one core
    limits = _fewer(fewer) if fewer else FEWER
    points = open_points(untuned, tuned, voice, tuple(steps or STEPS), schedule, eta)
    spoken = load_clips(corpus, TEST_SPLIT[:clips])
    kept = Kept(work)
    for name, reason in points.skipped.items():
        typer.echo(f"skipped: {name}: {reason}", err=True)
    if hear:
        panel = load_panel(weights)
        kept.listen_with(panel_facts(panel))
        todo = list(wanted(points.points, spoken, limits))
        with progress() as bar:
            task = bar.add_task("listening", total=len(todo))
            left = hear_clips(todo, panel, kept, budget_s, lambda: bar.advance(task))
        if left:
            typer.echo(f"{len(left)} clips of {len(todo)} are left for another run", err=True)
    if rounds:
        with progress() as bar, watch_machine() as watch:
            task = bar.add_task("timing", total=turns(points.points, rounds, limits))
            time_rounds(points.points, spoken, rounds, limits, kept, lambda: bar.advance(task))
        for line in watch.interference.warnings():
            typer.echo(f"warning: {line}", err=True)
    found = outcome(points, spoken, kept)
    show(pareto_blocks(found.figures, found.samples))
    if record:
        command = command_line()
        bundle = points.bundle_sha256
        path = write_record(
            "pareto", found.figures, command, samples=found.samples, bundle_sha256=bundle
        )
        typer.echo(path)


def _fewer(given: list[str]) -> dict[int, int]:
    """N=CLIPS as numbers."""
    found = {}
    for one in given:
        match = re.fullmatch(r"([1-9]\d*)=([1-9]\d*)", one)
        if match is None:
            raise typer.BadParameter(
                f"{one!r} is not N=CLIPS, such as 1000=2", param_hint="--fewer"
            )
        found[int(match[1])] = int(match[2])
    return found
