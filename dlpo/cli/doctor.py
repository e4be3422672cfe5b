"""The command doctor: what is installed, what works, and what to run where it doesn't."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpo.judges import WEIGHTS
from dlpo_serving.voices import DEFAULT_VOICE

if TYPE_CHECKING:
    from dlpo_serving.local.doctor import Observation

Section = tuple[str, Iterable["Observation"]]
_STYLES = {"ok": "green", "absent": "dim", "problem": "bold red"}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    voice: Annotated[
        str, typer.Option(help="Name or path of the bundle that the engines try to speak with.")
    ] = DEFAULT_VOICE,
    weights: Annotated[Path, typer.Option(help="Directory of the judges' weights.")] = Path(
        "../shared/models"
    ),
) -> None:
    """Tell what is installed, which engines speak, and what to run to fix the rest.

    Exit code 0 if an engine speaks, 1 if none does.
    """
    from dlpo_serving.local.doctor import versions

    found: dict[str, list[Observation]] = {}
    about = versions()
    if not as_json:
        _head(about)
    for section, observations in _sections(voice, weights):
        found[section] = list(observations)
        if not as_json:
            _show(section, found[section])
    speaks = any(one.state == "ok" for one in found["engines"])
    if as_json:
        sections = {name: [asdict(one) for one in ones] for name, ones in found.items()}
        typer.echo(json.dumps({"speaks": speaks, "versions": about, **sections}, indent=2))
    else:
        _conclude(speaks, found)
    raise typer.Exit(0 if speaks else 1)


def _sections(voice: str, weights: Path) -> Iterator[Section]:
    from dlpo_serving.local.doctor import (
        look_around,
        look_at_machine,
        look_at_packages,
        try_engines,
    )

    yield "packages", look_at_packages()
    yield "machine", look_at_machine()
    yield "engines", try_engines(voice)
    yield "surroundings", look_around()
    yield "judges", _judges(weights)


def _judges(folder: Path) -> Iterator[Observation]:
    from dlpo_serving.local.doctor import Observation

    for judge, name in WEIGHTS.items():
        if (folder / name).is_file():
            yield Observation(judge, "ok", str(folder / name))
        else:
            remedy = "its authors give it; then dlpo doctor --weights FOLDER"
            yield Observation(judge, "absent", f"no {name} in {folder}", remedy)


def _head(about: Mapping[str, str]) -> None:
    typer.echo(f"dlpo {about['dlpo']}, Python {about['python']}, {about['system']}")
    rest = (f"{name} {version}" for name, version in list(about.items())[3:])
    typer.echo(", ".join(rest))


def _show(section: str, observations: Iterable[Observation]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(width=7)
    table.add_column(width=22)
    table.add_column(overflow="fold")
    for one in observations:
        detail = f"{one.detail}\n-> {one.remedy}" if one.remedy else one.detail
        # As Text, because paths and messages may look like markup.
        table.add_row(Text(one.state, _STYLES[one.state]), Text(one.subject), Text(detail))
    console = Console(highlight=False)
    console.print(f"\n{section}", style="bold")
    console.print(table)


def _conclude(speaks: bool, found: Mapping[str, list[Observation]]) -> None:
    problems = [one for ones in found.values() for one in ones if one.state == "problem"]
    typer.echo("\nspeaking works" if speaks else "\nno engine speaks")
    for one in problems:
        typer.echo(f"  {one.subject}: {one.detail}" + (f" -> {one.remedy}" if one.remedy else ""))
