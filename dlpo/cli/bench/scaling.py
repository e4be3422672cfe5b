"""The command bench scaling."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dlpo.bundle import Bundle
from dlpo.cli.options import BundleName, Record, command_line, needs


def scaling(
    voice: BundleName = "lj",
    precision: Annotated[
        str | None, typer.Option(help="Of its denoiser, on cpu; the voice's own if left out.")
    ] = None,
    seconds: Annotated[
        list[float] | None,
        typer.Option(help="Length of a text in audio; repeatable. 5 to 300 if left out."),
    ] = None,
    streams: Annotated[
        list[int] | None,
        typer.Option(help="Callers at once, 0 for none; repeatable. 1 to 16 if left out."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Fresh processes for each.")] = 4,
    core: Annotated[
        int | None, typer.Option(help="Of processes that speak a text; the last if left out.")
    ] = None,
    record: Record = False,
) -> None:
    """Show what longer texts and more streams cost in time and memory."""
    with needs("bench"):
        from dlpo_bench.machine import usable_core
    with needs("serve"):
        from dlpo_bench.scaling import ScalingOptions, measure_scaling
        from dlpo_serving.voices import find_voice
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.speed import scaling_blocks
    from dlpo_bench.tables import show

    chosen: dict[str, Any] = {"precision": precision}
    if seconds:
        chosen["seconds"] = tuple(dict.fromkeys(seconds))
    if streams:
        chosen["streams"] = tuple(count for count in dict.fromkeys(streams) if count)
    options = ScalingOptions(voice=voice, rounds=rounds, core=usable_core(core), **chosen)
    bundle = Bundle.load(find_voice(voice))
    if record:
        check_recordable()
    measured = measure_scaling(options, lambda line: typer.echo(line, err=True))
    show(scaling_blocks(measured.figures))
    for warning in measured.problems:
        typer.echo(f"warning: {warning}", err=True)
    if record:
        command = command_line()
        path = write_record(
            "scaling", measured.figures, command, samples=measured.samples,
            bundle_sha256=bundle.sha256,
        )  # fmt: skip
        typer.echo(path)
