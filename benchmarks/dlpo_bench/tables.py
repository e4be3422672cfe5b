"""Tables and numbers of a benchmark, for both the terminal and the Markdown page, and the page's
sections."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlpo_bench.record import Record

if TYPE_CHECKING:
    from rich.table import Table as RichTable

TERMINAL_WIDTH = 240  # columns, when output is piped

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first column holds names, the others figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        cells = (
            [cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in lines
        )
        return "\n".join("| " + " | ".join(line) + " |" for line in cells)

    def rich(self) -> RichTable:
        from rich.table import Table as RichTable

        table = RichTable()
        for index, column in enumerate(self.header):
            table.add_column(_markup(column), justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*map(_markup, row))
        return table


Block = str | Table
"""A paragraph of Markdown, or a table."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its file."""

    path: Path
    record: Record

    @property
    def figures(self) -> Figures:
        return self.record.figures


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of record on the page."""

    title: str
    blocks: Sequence[Block]
    sources: Sequence[Found]
    """every record that figures come from"""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """caption, which also names the file -> SVG document"""


Builder = Callable[[Sequence[Found]], Section]
"""Records of one kind, newest first -> their section. Figures in another layout raise LookupError,
TypeError, ValueError or AttributeError."""


def of_newest(title: str, blocks: Callable[[Figures], Iterable[Block]]) -> Builder:
    """A section of the newest record's figures alone."""

    def build(found: Sequence[Found]) -> Section:
        return Section(title, list(blocks(found[0].figures)), found[:1])

    return build


def markdown(blocks: Iterable[Block]) -> str:
    """All blocks as Markdown, separated by blank lines."""
    return "\n\n".join(b.markdown() if isinstance(b, Table) else b for b in blocks)


def show(blocks: Iterable[Block]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TERMINAL_WIDTH
    for block in blocks:
        if isinstance(block, Table):
            console.print(block.rich())
        else:
            console.print(_markup(block), soft_wrap=True)


def table_of(
    title: str, rows: Mapping[str, Figures], columns: Mapping[str, str], missing: str = ""
) -> Table:
    """A row for each entry of `rows`, see `cell`.

    Args:
        columns: key of a figure -> header.
    """
    filled = [[name, *(cell(one, key, missing) for key in columns)] for name, one in rows.items()]
    return Table([title, *columns.values()], filled)


def figures_table(figures: Figures, names: Mapping[str, str]) -> Table:
    """Two columns: header and value of each key of `names` present in the figures.

    Raises:
        LookupError: none is present.
    """
    rows = [[words, cell(figures, key)] for key, words in names.items() if cell(figures, key)]
    if not rows:
        raise LookupError(f"none of {', '.join(names)}")
    return Table(["measure", "measured"], rows)


def cell(figures: Figures, key: str, missing: str = "") -> str:
    """A figure as text; one with "interval_95" is formatted by `estimate`.

    Args:
        key: path of names joined by slashes, optionally followed by `:` and a format: a Python one
            such as ".1%", or "fixed" for an estimate.
    """
    path, _, form = key.partition(":")
    value = figure_at(figures, path)
    if value is None:
        return missing
    if isinstance(value, Mapping):
        return estimate(value, fixed=form == "fixed")
    if isinstance(value, str):
        return value
    return f"{value:{form}}".replace("%", " %") if form else number(value)


def figure_at(figures: Figures, path: str) -> Any:
    """The figure at a path of names joined by slashes; None if absent."""
    value: Any = figures
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def number(value: float, digits: int = 3) -> str:
    """At least `digits` significant digits, without exponents down to 1e-4.

    Whole numbers and the integer part of large ones are not rounded.
    """
    if value == 0 or value == int(value):
        return f"{int(value):,}"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def estimate(
    figure: Figures, *, percent: bool = False, signed: bool = False, fixed: bool = False
) -> str:
    """`4.56 [4.52, 4.60]` of {"value", "interval_95"}.

    Args:
        percent: show a rate in per cent.
        signed: show the sign, for differences.
        fixed: use two decimals instead of three significant digits.
    """
    low, high = figure["interval_95"]
    if not (percent or signed or fixed):
        return f"{number(figure['value'])} [{number(low)}, {number(high)}]"
    scale = 100 if percent else 1
    unit = " %" if percent else ""
    sign = "+" if signed else ""
    ends = f"[{scale * low:{sign}.2f}, {scale * high:{sign}.2f}]"
    return f"{scale * figure['value']:{sign}.2f}{unit} {ends}"


def _markup(words: str) -> str:
    """Convert Markdown's links, bold and escapes for rich."""
    from rich.markup import escape

    plain = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", words).replace("  \n", "\n")
    return re.sub(r"\*\*(.+?)\*\*", r"[bold]\1[/bold]", escape(plain)).replace(r"\*", "*")
