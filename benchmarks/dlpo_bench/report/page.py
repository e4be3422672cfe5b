"""Figures as Markdown, by the template `sections.md.j2`: on the terminal, and on the results page.

The page is written from records alone: the same records give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.errors import DataError, writing
from dlpo_bench.eval import judged
from dlpo_bench.record import Measured, Record, read_record
from dlpo_bench.tables import Figures, cell, estimate, figures_table, number, table, table_of
from dlpo_serving.voices import find_voice

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
PARTS: Mapping[str, Callable[[Record], Iterable[Hashable]]] = {
    "quality": lambda record: [tuple(record.samples["texts"])],
    "load": lambda record: record.figures,
    "stream": lambda record: record.figures.keys() & {"knee", "tokens"},
    "rtf": lambda record: [record.figures["model"]],
}
"""Kinds of which the newest record of each of these is shown, not only the newest"""
HEAD = """\
# Benchmarks

What was measured, and by which command.
Made by `dlpo bench report` from the newest record of each kind (of quality: of each set of\
 texts) in [{name}]({link}), which has the raw samples; don't edit it.
`dlpo bench compare A.json B.json` says whether one record is slower than another.
Machines differ: compare ratios of one run, not times of two machines.
"""


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


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its file."""

    path: Path
    record: Record


def write_page(records: Path, out: Path) -> list[str]:
    """Write the page from a folder of records; see `make_page`.

    Returns:
        The records of kinds that have no section.

    Raises:
        InputError: the page can't be written.
    """
    text, left_out = make_page(records, out)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    return left_out


def make_page(records: Path, out: Path) -> tuple[str, list[str]]:
    """The page as Markdown, with links relative to its file `out`; and what `write_page` returns.

    Raises:
        DataError: no record, or one that can't be read or shown; the message names it.
    """
    found = [Found(path, read_record(path)) for path in records.glob("*.json")]
    if not found:
        raise DataError(f"{records} has no records (*.json); a benchmark's --record makes one")
    found.sort(key=lambda one: (one.record.utc, one.path.name), reverse=True)
    here = out.parent.resolve()
    parts = [HEAD.format(name=records.name, link=_link(records, here))]
    shown: dict[str, str] = {}  # machine, commit and bundle -> the first record with them
    for kind, title in TITLES.items():
        if mine := [one for one in found if one.record.kind == kind]:
            text, used = _section(kind, mine)
            parts += [f"## {title}\n", text]
            parts += [_source(one, here, shown) + "\n" for one in mine if one in used]
    left_out = sorted(one.path.name for one in found if one.record.kind not in TITLES)
    return "\n".join(parts), left_out


def _section(kind: str, mine: Sequence[Found]) -> tuple[str, list[Found]]:
    """A section of records of a kind, newest first; and those of them that it shows."""
    newest: dict[Hashable, Found] = {}  # by part of the section
    try:
        for one in mine:
            for part in PARTS[kind](one.record) if kind in PARTS else [""]:
                newest.setdefault(part, one)
        text = section(kind, {part: one.record for part, one in newest.items()})
    except (LookupError, TypeError, ValueError, AttributeError, TemplateError) as error:
        raise DataError(
            f"{one.path.name}: its figures are not those of kind {kind!r} in this version"
            f" ({type(error).__name__}: {error}); measure again"
        ) from error
    return text, list(newest.values())


def _source(one: Found, here: Path, shown: dict[str, str]) -> str:
    """Where a record is and what produced it; circumstances that were shown before by reference."""
    record, commit = one.record, "outside of a checkout"
    if record.commit is not None:
        changed = " with changes" if record.commit.get("dirty") else ""
        commit = f"commit {str(record.commit.get('hash'))[:10]}{changed}"
    link = f"[{one.path.stem}]({_link(one.path, here)})"
    facts = [record.utc[:10], _processor(record.machine), commit]
    if record.bundle_sha256:
        embedded = record.bundle_sha256 == Bundle.load(find_voice(DEFAULT_VOICE)).sha256
        voice = f"{'the' if embedded else 'not the'} embedded voice"
        facts.append(f"bundle {record.bundle_sha256[:12]} ({voice})")
    words = ", ".join(facts)
    first = shown.setdefault(words, one.path.stem)
    return f"{link}, {words if first == one.path.stem else f'as {first}'}:\n`{record.command}`"


def _processor(machine: Mapping[str, Any]) -> str:
    words = f"{machine.get('cpu', 'unknown CPU')}, {machine.get('cores', 'unknown')} cores"
    if "cpu_family" in machine:
        words += f", family {machine['cpu_family']} model {machine['cpu_model']}"
        words += f" at {machine['cpu_mhz']:.0f} MHz"
    elif flags := machine.get("flags"):
        words += f" with {' '.join(flags)}"
    return words


def _link(target: Path, here: Path) -> str:
    return quote(Path(os.path.relpath(target.resolve(), here)).as_posix())
