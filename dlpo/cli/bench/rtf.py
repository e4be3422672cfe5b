"""The command bench rtf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpo.cli.options import BundleName, command_line, needs

if TYPE_CHECKING:
    from dlpo_bench.rtf.measure import RtfRun


def rtf(
    model: Annotated[str, typer.Option(help="lite, base or large; the last two random.")] = "lite",
    voice: BundleName = "lj",
    checkpoint: Annotated[
        Path, typer.Option(help="That the voice was exported from; of lite alone.")
    ] = Path("voices/lj/tuned"),
    steps: Annotated[
        int | None, typer.Option(help="N of all but the paper's sampler; the voice's own.")
    ] = None,
    contestant: Annotated[
        list[str] | None,
        typer.Option(help="Only these, such as eager-1000, compile, cpu:int8; repeatable."),
    ] = None,
    seconds: Annotated[
        list[float] | None, typer.Option(help="Length of a text in audio; repeatable.")
    ] = None,
    window: Annotated[
        list[float] | None, typer.Option(help="Length of a denoiser's window, s; repeatable.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(help="Windows of 1 s at once; repeatable.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Runs of each on each case.")] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(
            help="For all rounds of one contestant on one case; beyond it eager-1000 is"
            " extrapolated from a slice of its steps, others are skipped."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="Of PyTorch; engines take one.")] = 1,
    core: Annotated[
        int | None, typer.Option(help="That the process is held to; the last if left out.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute or so: 1 and 5 s, no batches, no compile.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Write a benchmark record.")] = False,
    out: Annotated[Path, typer.Option(help="Directory of records.")] = Path("benchmarks/records"),
) -> None:
    """Real-time factors against the paper's sampler, in turns, with the same weights.

    Timed are the whole path from text to audio, and the denoiser's reverse steps alone.
    """
    with needs("bench"):
        from dlpo_bench.record import check_recordable
        from dlpo_bench.report.speed import rtf_blocks
        from dlpo_bench.rtf.measure import QUICK, RtfOptions, measure_rtf
        from dlpo_bench.tables import show

    chosen = {
        "contestants": contestant and tuple(contestant),
        "seconds": seconds and tuple(seconds),
        "windows": window and tuple(window),
        "batch": batch and tuple(batch),
        "rounds": rounds,
        "budget_s": budget_s,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    preset = QUICK if quick else {}
    options = RtfOptions(
        model=model, voice=voice, checkpoint=checkpoint, steps=steps, threads=threads, core=core,
        **{**preset, **given},
    )  # fmt: skip
    if record:
        check_recordable(out)
    run = measure_rtf(options, lambda line: typer.echo(line, err=True))
    show(rtf_blocks(run.figures))
    for warning in run.interference.warnings():
        typer.echo(f"note: {warning}", err=True)
    if record:
        typer.echo(_write(run, out))


def _write(run: RtfRun, out: Path) -> Path:
    from dlpo_bench.record import write_record

    command = command_line()
    return write_record(
        "rtf", run.figures, command, out, samples=run.samples, bundle_sha256=run.bundle_sha256
    )
