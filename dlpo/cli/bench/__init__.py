"""Commands that measure, and that show and compare what was measured."""

from __future__ import annotations

import typer

from dlpo.cli.bench.compare import compare
from dlpo.cli.bench.controls import controls
from dlpo.cli.bench.peers import peers
from dlpo.cli.bench.quality import quality
from dlpo.cli.bench.report import report
from dlpo.cli.bench.roofline import roofline
from dlpo.cli.bench.rtf import rtf
from dlpo.cli.bench.scaling import scaling
from dlpo.cli.bench.stream import stream
from dlpo.cli.bench.texts import texts


def register(app: typer.Typer) -> None:
    """Add the group `bench`."""
    group = typer.Typer(
        no_args_is_help=True, help="Measure on this machine; show and compare what was measured."
    )
    for command in (
        rtf, stream, quality, texts, controls, peers, scaling, roofline, report,
        compare,
    ):  # fmt: skip
        group.command()(command)
    app.add_typer(group, name="bench")
