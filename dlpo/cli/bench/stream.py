"""The command bench stream."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import needs

_WHOM, _LOAD, _KEPT = "Whom", "How much", "What is kept"


def stream(
    measurements: Annotated[
        list[str] | None,
        typer.Argument(
            help="latency, knee, tokens (the usual three); cold-start, first-audio, streams,"
            " refusals, overload, freed-places, soak, chaos; or all."
        ),
    ] = None,
    voice: Annotated[
        str, typer.Option(help="Voice or bundle of the server.", rich_help_panel=_WHOM)
    ] = "lj",
    engine: Annotated[str, typer.Option(help="Its engine.", rich_help_panel=_WHOM)] = "cpu",
    precision: Annotated[
        str | None, typer.Option(help="Of the denoiser.", rich_help_panel=_WHOM)
    ] = None,
    server_options: Annotated[
        str, typer.Option(help='More for the server, as in "--lanes 2".', rich_help_panel=_WHOM)
    ] = "",
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="dlpo, riva or openai, of our server; repeatable, side by side. dlpo if left out.",
            rich_help_panel=_WHOM,
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="A server that runs already: HOST:PORT of a Riva-compatible one, dlpo://HOST:PORT,"
            " or http://HOST:PORT/v1 of an OpenAI-compatible one, with ?voice= and ?model= where"
            " needed. Repeatable, side by side; no server is started then.",
            rich_help_panel=_WHOM,
        ),
    ] = None,
    clients: Annotated[
        int | None,
        typer.Option(
            min=1, help="Client processes; one a core if left out.", rich_help_panel=_LOAD
        ),
    ] = None,
    loop: Annotated[
        list[str] | None,
        typer.Option(help="closed, open; repeatable. Both if left out.", rich_help_panel=_LOAD),
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            help="Arrivals per second, open loop; repeatable. A search if left out.",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    listeners: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Closed loop; repeatable. A search if left out.", rich_help_panel=_LOAD
        ),
    ] = None,
    think_s: Annotated[
        float, typer.Option(min=0, help="Mean, closed loop.", rich_help_panel=_LOAD)
    ] = 0.0,
    level_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds of each level.", rich_help_panel=_LOAD)
    ] = 20.0,
    ramp_s: Annotated[
        float, typer.Option(min=0.01, help="Seconds before it.", rich_help_panel=_LOAD)
    ] = 5.0,
    tokens_per_s: Annotated[
        float, typer.Option(min=0.1, help="Words, in tokens.", rich_help_panel=_LOAD)
    ] = 20.0,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Of the soak, which counts without it, and of chaos (5).",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    numbers: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another number, as in places=8; repeatable. docs/load.md has their names.",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write benchmark records.", rich_help_panel=_KEPT)
    ] = False,
    out: Annotated[Path, typer.Option(help="Directory of records.", rich_help_panel=_KEPT)] = Path(
        "benchmarks/records"
    ),
) -> None:
    """Load a server from client processes: first audio, gaps, goodput, shed calls, and its knee.

    Ours is started for each measurement, or servers that run already are compared side by side.
    """
    with needs("serve"), needs("bench"):
        from dlpo_bench.load.measurements import chosen, measure, write_records
        from dlpo_bench.load.options import read_options
        from dlpo_bench.machine import watch_machine
        from dlpo_bench.record import check_recordable
        from dlpo_bench.report.speed import load_blocks
        from dlpo_bench.tables import show

    if record:
        check_recordable(out)
    options = read_options(
        {
            "voice": voice,
            "engine": engine,
            "precision": precision,
            "server_options": tuple(shlex.split(server_options)),
            "against": tuple(against or ()),
            "protocols": tuple(protocol or ("dlpo",)),
            "loops": tuple(loop or ("closed", "open")),
            "clients": clients or len(os.sched_getaffinity(0)),
            "rates": tuple(rate or ()),
            "listeners": tuple(listeners or ()),
            "think_s": think_s,
            "level_s": level_s,
            "ramp_s": ramp_s,
            "tokens_per_s": tokens_per_s,
            "minutes": minutes,
        },
        numbers or [],
    )
    names = chosen(measurements or [], options)
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    # As Ctrl-C does: the server that runs must not stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with watch_machine() as watch:
        found = asyncio.run(measure(names, options))
    show(load_blocks({name: one.figures for name, one in found.items()}))
    for one in found.values():
        for what, why in one.skipped.items():
            typer.echo(f"skipped: {what}: {why}", err=True)
        for problem in one.problems:
            typer.echo(f"failed: {problem}", err=True)
    for warning in watch.interference.warnings():
        typer.echo(f"note: {warning}", err=True)
    if record and found:
        command = f"dlpo bench stream {shlex.join(sys.argv[3:])}"
        for path in write_records(found, options, watch.interference, command, out):
            typer.echo(path)
    if set(names) > set(found) or any(one.problems for one in found.values()):
        raise typer.Exit(1)
