"""Numbers and tables of a benchmark as Markdown, for both the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TERMINAL_WIDTH = 240  # columns, when output is piped

Figures = Mapping[str, Any]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: the first column holds names, the others figures."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    cells = ([cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def table_of(
    title: str, rows: Mapping[str, Figures], columns: Mapping[str, str], missing: str = ""
) -> str:
    """A row for each entry of `rows`, see `cell`.

    Args:
        columns: key of a figure -> header.
    """
    filled = [[name, *(cell(one, key, missing) for key in columns)] for name, one in rows.items()]
    return table([title, *columns.values()], filled)


def figures_table(figures: Figures, names: Mapping[str, str]) -> str:
    """Two columns: header and value of each key of `names` present in the figures.

    Raises:
        LookupError: none is present.
    """
    rows = [[words, cell(figures, key)] for key, words in names.items() if cell(figures, key)]
    if not rows:
        raise LookupError(f"none of {', '.join(names)}")
    return table(["measure", "measured"], rows)


def show(text: str) -> None:
    """Print Markdown."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TERMINAL_WIDTH
    console.print(Markdown(text, hyperlinks=False))


def cell(figures: Figures, key: str, missing: str = "") -> str:
    """A figure as text; one with "interval_95" is formatted by `estimate`.

    Args:
        key: path of names joined by slashes, optionally followed by `:` and a format: a Python one
            such as ".1%", or "fixed" for an estimate.
    """
    path, _, form = key.partition(":")
    value: Any = figures
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return missing
    if isinstance(value, Mapping):
        return estimate(value, fixed=form == "fixed")
    if isinstance(value, str):
        return value
    return f"{value:{form}}".replace("%", " %") if form else number(value)


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
