"""A section of the page, and the records that it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlpo_bench.record import Record
from dlpo_bench.tables import Block, Figures


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its file."""

    path: Path
    record: Record

    @property
    def figures(self) -> Figures:
        """Of the record."""
        return self.record.figures


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of record on the page."""

    title: str
    blocks: Sequence[Block]
    sources: Sequence[Found]
    """every record that a figure is from"""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """caption, which also names the file -> SVG document"""


Builder = Callable[[Sequence[Found]], Section]
"""Records of one kind, the newest first -> its section. Figures of another layout raise
LookupError, TypeError, ValueError or AttributeError."""
