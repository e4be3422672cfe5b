"""The command bench report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import needs


def report(
    records: Annotated[Path, typer.Option(help="Directory of records.")] = Path(
        "benchmarks/records"
    ),
    out: Annotated[
        Path, typer.Option(help="Page to write; its pictures go to a directory of its name.")
    ] = Path("docs/benchmarks.md"),
) -> None:
    """Write the page of benchmarks from the newest record of each kind."""
    with needs("bench"):
        from dlpo_bench.report.page import make_page, write_page

    page = make_page(records, out)
    write_page(page, out)
    for problem in page.problems:
        typer.echo(f"left out: {problem}", err=True)
    typer.echo(f"{out}, {len(page.pictures)} pictures")
