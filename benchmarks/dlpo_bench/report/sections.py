"""What a section of the page is, and where its figures come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlpo_bench.record import Record
from dlpo_bench.report.tables import number, table


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its file."""

    path: Path
    record: Record


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of record on the page."""

    title: str
    text: str
    """Markdown"""
    sources: Sequence[Found]
    """every record that a figure is from"""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """what is seen, which also names the file -> SVG document"""


Builder = Callable[[Sequence[Found]], Section]
"""Records of one kind, the newest first -> its section. Figures of another layout raise
LookupError, TypeError, ValueError or AttributeError."""


def named_figures(figures: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A table of two columns: those of the figures that are named, in the order of the names.

    Args:
        names: key of the figures -> words, with the unit.
    """
    rows = [[words, number(figures[key])] for key, words in names.items() if key in figures]
    if not rows:
        raise LookupError(f"none of {', '.join(names)}")
    return table(["measure", "measured"], rows)
