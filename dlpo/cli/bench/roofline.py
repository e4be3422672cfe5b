"""The command bench roofline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpo.cli.options import BundleName, Record, command_line, needs

if TYPE_CHECKING:
    from dlpo_bench.roofline.measure import RooflineRun


def roofline(
    voice: BundleName = "lj",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Reverse steps of the denoiser; the voice's own.")
    ] = None,
    frames: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Length of a window; repeatable. That of a served chunk is added."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Turns of every kernel and graph.")] = 15,
    core: Annotated[
        int | None, typer.Option(help="That kernels and graphs are held to; the last if left out.")
    ] = None,
    record: Record = False,
) -> None:
    """Measure what one core can do at most, and what share of it each graph reaches.

    Peaks of products, convolutions and memory are measured in the same run as the graphs, in turns.
    """
    with needs("export"):
        import onnx  # noqa: F401  the profiler reads optimised graphs
    with needs("bench"):
        from dlpo_bench.record import check_recordable
        from dlpo_bench.report.speed import roofline_blocks
        from dlpo_bench.roofline.measure import RooflineOptions, measure_roofline
        from dlpo_bench.tables import show

    chosen = {"frames": tuple(frames)} if frames else {}
    options = RooflineOptions(voice=voice, steps=steps, rounds=rounds, core=core, **chosen)
    if record:
        check_recordable()
    run = measure_roofline(options, lambda line: typer.echo(line, err=True))
    show(roofline_blocks(run.figures))
    for warning in run.interference.warnings():
        typer.echo(f"note: {warning}", err=True)
    if record:
        typer.echo(_write(run))


def _write(run: RooflineRun) -> Path:
    from dlpo_bench.record import write_record

    command = command_line()
    return write_record(
        "roofline", run.figures, command, samples=run.samples, bundle_sha256=run.bundle_sha256
    )
