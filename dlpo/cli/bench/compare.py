"""The command bench compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpo.cli.options import needs
from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo_bench.compare import Change, Ratio

MOST_NOTES = 8  # a quick run lacks most of what a long one has


def compare(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Record from before.")],
    b: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Record from after.")],
    relative_to: Annotated[
        str | None,
        typer.Option(
            help="Compare ratios to this contestant of each run, such as cpu:fp32, not times:"
            " they hang less on the machine."
        ),
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Exit with 1 if a median is decidedly worse by more than this ratio, as 1.1.",
        ),
    ] = None,
) -> None:
    """Say what is slower or worse in record B than in record A, by their raw samples.

    Decided is what the 95 % bootstrap interval and the test agree on.
    """
    with needs("bench"):
        from dlpo_bench.compare import (
            KINDS,
            check_pair,
            compare_clips,
            compare_samples,
            over_baseline,
        )
    from dlpo_bench.record import read_record

    before, after = read_record(a), read_record(b)
    warnings = check_pair(before, after)
    if before.kind in KINDS:
        if fail_above is not None or relative_to is not None:
            raise InputError(
                f"--fail-above and --relative-to are about ratios; records of kind {before.kind!r}"
                " are compared by differences, clip by clip: leave them out"
            )
        changes, problems = compare_clips(before, after)
        _tell_changes(changes)
        worse = []
    else:
        if relative_to is not None:
            before, after = (over_baseline(one, relative_to) for one in (before, after))
        ratios, problems = compare_samples(before, after)
        _tell_ratios(ratios)
        worse = [one for one in ratios if fail_above is not None and one.got_worse(fail_above)]
    notes = [*warnings, *problems]
    for line in notes[:MOST_NOTES]:
        typer.echo(f"note: {line}", err=True)
    if len(notes) > MOST_NOTES:
        typer.echo(f"note: {len(notes) - MOST_NOTES} more like these", err=True)
    for one in worse:
        typer.echo(f"{one.name}: {one.verdict} by more than {fail_above:g}", err=True)
    if worse:
        raise typer.Exit(1)


def _tell_ratios(ratios: list[Ratio]) -> None:
    typer.echo("median before, after; after / before [95 % interval]; p; samples; verdict")
    for one in ratios:
        (before, after), r = one.medians, one.ratio
        typer.echo(
            f"{one.name}: {before:.4g}, {after:.4g}; {r.value:.3f} [{r.low:.3f}, {r.high:.3f}];"
            f" {_p(one.p)}; {one.samples[0]}, {one.samples[1]}; {one.verdict}"
        )


def _tell_changes(changes: list[Change]) -> None:
    typer.echo("system, measure: after minus before [95 % interval]; p; clips; verdict")
    for one in changes:
        d = one.paired.difference
        typer.echo(
            f"{one.system}, {one.measure}: {d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}];"
            f" {_p(one.paired.p)}; {one.paired.sentences}; {one.verdict}"
        )


def _p(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"
