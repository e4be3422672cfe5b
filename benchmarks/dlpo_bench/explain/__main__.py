"""python -m dlpo_bench.explain [--checkpoint voices/lj/tuned] [--out docs/explain]"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dlpo.errors import DlpoError
from dlpo_bench.explain.lanes import draw_lanes
from dlpo_bench.explain.levels import draw_levels
from dlpo_bench.explain.windows import draw_windows

DRAWN: dict[str, Callable[[], str]] = {
    "levels.svg": draw_levels,
    "windows.svg": draw_windows,
    "lanes.svg": draw_lanes,
}
"""File -> who draws it, from code alone: the same bytes everywhere."""


def main(
    checkpoint: Annotated[Path, typer.Option(help="Whose chain is shown.")] = Path(
        "voices/lj/tuned"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/explain"),
) -> None:
    """Draw the pictures of the explanation pages."""
    from dlpo_bench.explain.chain import draw_chain  # needs torch

    for name, draw in DRAWN.items():
        (out / name).write_text(draw(), encoding="utf-8")
    (out / "chain.svg").write_text(draw_chain(checkpoint), encoding="utf-8")
    typer.echo(f"{out}: {', '.join([*DRAWN, 'chain.svg'])}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except DlpoError as error:
        sys.exit(f"error: {error}")
