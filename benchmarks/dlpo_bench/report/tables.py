"""Markdown tables, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is words, the others are figures."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    cells = ([cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def number(value: float, digits: int = 3) -> str:
    """At least so many significant digits, never in powers of ten where it can be helped.

    Whole numbers, and the whole part of large ones, stay as they are.
    """
    if value == 0 or value == int(value):
        return f"{int(value):,}"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def interval(value: float, low: float, high: float, *, percent: bool, signed: bool = False) -> str:
    """`4.56 [4.52, 4.60]`, with a sign for differences, in per cent for rates."""
    scale, unit = (100, " %") if percent else (1, "")
    sign = "+" if signed else ""
    ends = f"[{scale * low:{sign}.2f}, {scale * high:{sign}.2f}]"
    return f"{scale * value:{sign}.2f}{unit} {ends}"
