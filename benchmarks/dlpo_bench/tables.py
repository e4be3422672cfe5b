"""Tables and numbers of a benchmark, once for the terminal and for the Markdown page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table as RichTable

TERMINAL_WIDTH = 240  # columns, where output is piped


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first column holds names, the others figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=list)

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        cells = (
            [cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in lines
        )
        return "\n".join("| " + " | ".join(line) + " |" for line in cells)

    def rich(self) -> RichTable:
        """The table for rich's console."""
        from rich.table import Table as RichTable

        table = RichTable()
        for index, column in enumerate(self.header):
            table.add_column(_markup(column), justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*map(_markup, row))
        return table


Block = str | Table
"""A paragraph of Markdown, or a table."""


def markdown(blocks: Iterable[Block]) -> str:
    """All blocks as Markdown, separated by blank lines."""
    return "\n\n".join(b.markdown() if isinstance(b, Table) else b for b in blocks)


def show(blocks: Iterable[Block]) -> None:
    """Print blocks on the terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TERMINAL_WIDTH
    for block in blocks:
        if isinstance(block, Table):
            console.print(block.rich())
        else:
            console.print(_markup(block), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must reach, and what it should reach."""

    name: str
    floor: float
    aim: float
    figure: tuple[str, ...] = ()
    """keys that lead to the figure in a record"""
    more_is_better: bool = False

    def row(self, value: float, measured: str | None = None) -> list[str]:
        """name, measured, floor, aim, verdict."""
        reached = [
            value >= limit if self.more_is_better else value <= limit
            for limit in (self.aim, self.floor)
        ]
        verdict = "aim" if reached[0] else "floor" if reached[1] else "missed"
        measured = number(value) if measured is None else measured
        return [self.name, measured, f"{self.floor:g}", f"{self.aim:g}", verdict]


TARGET_HEADER = ("measure", "measured", "floor", "aim", "reached")


def target_table(targets: Iterable[Target], figures: Mapping[str, Any]) -> Table:
    """A row for each target whose figure was measured.

    A figure is a number, or a dictionary with "value" and "interval_95".
    """
    rows = []
    for target in targets:
        found: Any = figures
        for key in target.figure:
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
        if isinstance(found, Mapping) and found:
            rows.append(target.row(found["value"], estimate(found)))
        elif not isinstance(found, Mapping):
            rows.append(target.row(found))
    return Table(TARGET_HEADER, rows)


def named_figures(figures: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    """Two columns: what `names` calls a key of the figures, and its value.

    Raises:
        LookupError: the figures have none of the keys.
    """
    rows = [[words, number(figures[key])] for key, words in names.items() if key in figures]
    if not rows:
        raise LookupError(f"none of {', '.join(names)}")
    return Table(["measure", "measured"], rows)


def cells(figures: Mapping[str, Any], keys: Iterable[str], missing: str = "") -> list[str]:
    """The figures of the keys as text."""
    return [number(figures[key]) if key in figures else missing for key in keys]


def number(value: float, digits: int = 3) -> str:
    """At least so many significant digits, without powers of ten down to 1e-4.

    Whole numbers, and the whole part of large ones, stay as they are.
    """
    if value == 0 or value == int(value):
        return f"{int(value):,}"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def estimate(
    figure: Mapping[str, Any], *, percent: bool = False, signed: bool = False, fixed: bool = False
) -> str:
    """`4.56 [4.52, 4.60]` of {"value", "interval_95"}.

    Args:
        percent: show a rate in per cent.
        signed: show the sign, for differences.
        fixed: two decimals rather than three significant digits.
    """
    low, high = figure["interval_95"]
    if not (percent or signed or fixed):
        return f"{number(figure['value'])} [{number(low)}, {number(high)}]"
    scale, unit, sign = (100 if percent else 1), (" %" if percent else ""), "+" if signed else ""
    ends = f"[{scale * low:{sign}.2f}, {scale * high:{sign}.2f}]"
    return f"{scale * figure['value']:{sign}.2f}{unit} {ends}"


def _markup(words: str) -> str:
    """Markdown's links, bold and escapes for rich."""
    from rich.markup import escape

    plain = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", words).replace("  \n", "\n")
    return re.sub(r"\*\*(.+?)\*\*", r"[bold]\1[/bold]", escape(plain)).replace(r"\*", "*")
