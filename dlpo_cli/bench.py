"""The group `dlpo bench`: commands that measure, and that show and compare what was measured."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dlpo.errors import InputError, needs
from dlpo_bench.options import LoadOptions, PeersOptions, RtfOptions
from dlpo_cli.commands import OfFields, of_fields
from dlpo_cli.options import Record, command_line

if TYPE_CHECKING:
    from dlpo_bench.machine import Interference
    from dlpo_bench.record import Measured

T = TypeVar("T")
RECORDS = Path("benchmarks/records")
Out = Annotated[Path, typer.Option(help="Records directory.")]
MOST_NOTES = 8  # a quick run lacks most of what a long one has


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Run benchmarks on this machine; show and compare the results."
    )
    for command in (rtf, stream, peers):
        group.command(cls=OfFields)(of_fields(command))
    group.command()(report)
    group.command()(compare)
    app.add_typer(group, name="bench")


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _tell_lines(what: str, lines: Iterable[str]) -> None:
    for line in lines:
        _tell(f"{what}: {line}")


def _watched(measure: Callable[[], T]) -> tuple[T, Interference]:
    """What was measured, and what disturbed the machine meanwhile."""
    from dlpo_bench.machine import interference, machine_clocks

    begin = machine_clocks()
    return measure(), interference(begin)


def run_bench(
    kind: str, measure: Callable[[], Measured], record: bool, out: Path = RECORDS
) -> None:
    """Measure, watch the machine, show the tables, and write a record if that was requested."""
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.page import shown
    from dlpo_bench.tables import show

    if record:
        check_recordable(out)
    measured, disturbed = _watched(measure)
    figures = {**measured.figures, "machine": asdict(disturbed)}
    measured = replace(measured, figures=figures)
    show(shown(kind, figures))
    _tell_lines("note", (*measured.problems, *disturbed.warnings()))
    if record:
        typer.echo(write_record(kind, measured, command_line(), out))


def rtf(options: RtfOptions, record: Record = False, out: Out = RECORDS) -> None:
    """Measure real-time factors from text to audio against the paper's sampler, in turns, with the
    same weights."""
    with needs("bench"):
        from dlpo_bench.rtf import measure_rtf

    run_bench("rtf", lambda: measure_rtf(options, _tell), record, out)


def peers(options: PeersOptions, record: Record = False, out: Out = RECORDS) -> None:
    """Compare a voice with other speech engines, in turns on one core.

    A peer that is not installed is skipped and the reason shown.
    """
    with needs("serve"), needs("bench"):
        from dlpo_bench.peers.measure import measure_peers, speak_with_peers

    if options.speak or options.texts:
        if record:
            raise InputError("--record: --speak times nothing; drop one of the two")
        return typer.echo("\n".join(map(str, speak_with_peers(options, _tell))))
    run_bench("peers", lambda: measure_peers(options, _tell), record, out)


def stream(options: LoadOptions, record: Record = False, out: Out = RECORDS) -> None:
    """Load a server from client processes: first audio, gaps, goodput, shed calls and its knee.

    Each measurement starts our own server, or compares servers already running, in turns.
    """
    with needs("serve"), needs("bench"):
        from dlpo_bench.load.capacity import chosen, measure, write_records
        from dlpo_bench.record import check_recordable
        from dlpo_bench.report.page import shown_load
        from dlpo_bench.tables import show

    if record:
        check_recordable(out)
    names = chosen(options)
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    # Treated as Ctrl-C, so that the running server is stopped too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found, disturbed = _watched(lambda: asyncio.run(measure(names, options)))
    show(shown_load(found))
    for one in found.values():
        _tell_lines("skipped", (f"{what}: {why}" for what, why in one.skipped.items()))
        _tell_lines("failed", one.problems)
    _tell_lines("note", disturbed.warnings())
    if record and found:
        paths = write_records(found, options, disturbed, command_line(), out)
        typer.echo("\n".join(map(str, paths)))
    if set(names) > set(found) or any(one.problems for one in found.values()):
        raise typer.Exit(1)


def report(
    records: Out = RECORDS,
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("benchmarks/results.md"),
) -> None:
    """Write the benchmarks page from the newest record of each kind."""
    with needs("bench"):
        from dlpo_bench.report.page import write_page

    _tell_lines("no section for", write_page(records, out))
    typer.echo(out)


def compare(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Earlier record.")],
    b: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Later record.")],
    relative_to: Annotated[
        str | None,
        typer.Option(
            help="Compare ratios to this contestant of the same run, such as cpu:fp32, instead of"
            " times: they depend less on the machine."
        ),
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Exit with 1 if a time is decidedly longer by more than this ratio, such as 1.1.",
        ),
    ] = None,
) -> None:
    """Report what is slower in record B than in record A, from their raw samples.

    A change is decided if the 95 % bootstrap interval and the significance test agree.
    """
    with needs("bench"):
        from dlpo_bench.compare import check_pair, compare_samples
    from dlpo_bench.record import read_record

    before, after = read_record(a), read_record(b)
    notes = check_pair(before, after)
    ratios, problems = compare_samples(before, after, relative_to)
    typer.echo("median before, after; after / before [95 % interval]; p; samples; verdict")
    typer.echo("\n".join(map(str, ratios)))
    worse = [one for one in ratios if fail_above is not None and one.got_worse(fail_above)]
    _tell_notes([*notes, *problems])
    for one in worse:
        _tell(f"{one.name}: {one.verdict} by more than {fail_above:g}")
    if worse:
        raise typer.Exit(1)


def _tell_notes(notes: list[str]) -> None:
    _tell_lines("note", notes[:MOST_NOTES])
    if len(notes) > MOST_NOTES:
        _tell(f"note: {len(notes) - MOST_NOTES} more")
