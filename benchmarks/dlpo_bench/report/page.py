"""The benchmarks page, written from records alone: the same records give the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import TemplateError

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.errors import DataError, writing
from dlpo_bench.record import Record, read_record
from dlpo_bench.report.sections import TITLES, section
from dlpo_serving.voices import find_voice

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


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its file."""

    path: Path
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    """The output of a report."""

    text: str
    """Markdown"""
    problems: Sequence[str]
    """records that could not be shown, and why"""


def make_page(records: Path, out: Path) -> Page:
    """Make the page without writing anything.

    Args:
        records: directory of records.
        out: the page's file, which its links are relative to.

    Raises:
        DataError: no record can be shown.
    """
    found, problems = read_records(records)
    here = out.parent.resolve()
    parts = [HEAD.format(name=records.name, link=_link(records, here))]
    shown: dict[str, str] = {}  # machine, commit and bundle -> the first record with them
    for kind, title in TITLES.items():
        if not (mine := found.pop(kind, [])):
            continue
        try:
            newest = _newest(kind, mine)
            text = section(kind, {part: one.record for part, one in newest.items()})
        except (LookupError, TypeError, ValueError, AttributeError, TemplateError) as error:
            problems.append(
                f"{mine[0].path.name}: its figures are not those of kind {kind!r} in this version"
                f" ({type(error).__name__}: {error}); measure again"
            )
            continue
        parts.append(f"## {title}\n")
        parts.append(text)
        sources = [one for one in mine if any(one is used for used in newest.values())]
        parts += [_source(one, here, shown) + "\n" for one in sources]
    for kind, records_of in sorted(found.items()):
        names = ", ".join(one.path.name for one in records_of)
        problems.append(f"{names}: this version's report has no section for kind {kind!r}")
    if len(parts) == 1:
        reasons = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(f"{records}: no record that can be shown{reasons}")
    if problems:
        parts.append("## Left out\n\n" + "\n".join(f"- {problem}" for problem in problems) + "\n")
    return Page("\n".join(parts), problems)


def _newest(kind: str, found: Sequence[Found]) -> dict[Any, Found]:
    """Part of a section -> the newest record that has it."""
    newest: dict[Any, Found] = {}
    for one in found:
        for part in PARTS[kind](one.record) if kind in PARTS else [""]:
            newest.setdefault(part, one)
    if not newest:
        raise LookupError("none of its figures is known")
    return newest


def read_records(directory: Path) -> tuple[dict[str, list[Found]], list[str]]:
    """Kind -> its records, newest first; and problems of unreadable ones.

    Raises:
        DataError: no such directory, or no record in it.
    """
    paths = sorted(directory.glob("*.json"))
    if not paths:
        raise DataError(f"{directory} has no records (*.json); a benchmark's --record makes one")
    found, problems = list[Found](), list[str]()
    for path in paths:
        try:
            found.append(Found(path, read_record(path)))
        except DataError as error:
            problems.append(str(error).replace(str(path), path.name))
    found.sort(key=lambda one: (one.record.utc, one.path.name), reverse=True)
    kinds = dict.fromkeys(one.record.kind for one in found)
    return {kind: [one for one in found if one.record.kind == kind] for kind in kinds}, problems


def write_page(page: Page, out: Path) -> None:
    """Write the page.

    Raises:
        InputError: it can't be written.
    """
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page.text, "utf-8")


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
