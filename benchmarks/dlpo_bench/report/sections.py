"""Figures as Markdown, by the template `sections.md.j2`: for the page, and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dlpo_bench.eval import judged
from dlpo_bench.record import Measured
from dlpo_bench.tables import Figures, cell, estimate, figures_table, number, table, table_of

TITLES = {  # in the page's order
    "peers": "Beside other engines, on one core",
    "quality": "How voices sound",
    "latency": "One stream",
    "stream": "Servers under load",
    "load": "Under load",
    "rtf": "Real-time factor",
}
ENVIRONMENT = Environment(  # of Markdown: nothing is escaped
    loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False,
    trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.do"],
)  # fmt: skip
ENVIRONMENT.globals |= {
    "cell": cell, "estimate": estimate, "figures_table": figures_table,
    "judged": judged, "number": number, "table": table, "table_of": table_of,
}  # fmt: skip


class Shown(Protocol):
    """A record, or what was just measured."""

    @property
    def figures(self) -> Figures: ...

    @property
    def samples(self) -> Figures: ...


def section(kind: str, newest: Mapping[Any, Shown], *, full: bool = False) -> str:
    """What was measured, without a heading.

    Args:
        kind: of `TITLES`.
        newest: part, such as a measurement of load -> the record that has it.
        full: for the command that measured it: also what the page leaves to the record.

    Raises:
        TemplateError, LookupError, TypeError, ValueError, AttributeError: figures in another
            layout.
    """
    template = ENVIRONMENT.get_template("sections.md.j2")
    text = template.render(kind=kind, newest=newest, full=full)
    blocks = (block.strip("\n") for block in text.split("\n\n"))
    return "\n\n".join(block for block in blocks if block) + "\n"


def shown(kind: str, figures: Figures) -> str:
    """The same of figures that were just measured."""
    return section(kind, {"": Measured(figures)}, full=True)


def shown_load(found: Mapping[str, Shown]) -> str:
    """The same of the measurements of `dlpo bench stream`, by name."""
    own = {name: Measured({name: one.figures}, one.samples) for name, one in found.items()}
    return section("load", own, full=True)
