"""Follow a recipe, or say how far it is.

    python -m recipe run recipe/voice.toml --jobs 2       # all that is left; run it again to resume
    python -m recipe status recipe/voice.toml             # stages, core-hours, what is next

Ctrl-C saves and stops. `--place NAME=FOLDER` puts a folder elsewhere.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlpo.errors import DlpoError
from recipe.run import Runner, core_hours
from recipe.stages import jobs, needed, read_recipe

File = Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML, such as recipe/voice.toml.")]
Places = Annotated[
    list[str] | None, typer.Option("--place", metavar="NAME=FOLDER", help="Repeatable.")
]

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


def _open(file: Path, given: Sequence[str] | None, stages: Sequence[str] | None = None) -> Runner:
    pairs = [place.partition("=") for place in given or ()]
    if wrong := ["".join(pair) for pair in pairs if not (pair[1] and pair[2])]:
        raise typer.BadParameter(f"--place is {wrong[0]!r}; expected NAME=FOLDER")
    recipe = read_recipe(file, {name: folder for name, _, folder in pairs})
    todo = jobs(recipe)
    todo = needed(todo, stages) if stages else todo
    return Runner(Path(recipe.places["work"]), todo, typer.echo)


@app.command()
def run(
    file: File,
    place: Places = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this one and what it needs; repeatable.")
    ] = None,
    at_once: Annotated[int, typer.Option("--jobs", min=1, help="Jobs at a time.")] = 1,
) -> None:
    """Run all that is left; again after an interruption."""
    runner = _open(file, place, stage)
    finished = runner.run(at_once)
    hours = core_hours(runner.attempts())
    typer.echo(f"{sum(hours.values()):.1f} core-hours so far")
    if not finished:
        raise typer.Exit(1)


@app.command()
def status(file: File, place: Places = None) -> None:
    """Jobs, their core-hours, and the command of the next one."""
    runner = _open(file, place)
    hours, waiting = core_hours(runner.attempts()), runner.waiting()
    for job in runner.todo:
        state = "waiting" if job in waiting else "done"
        typer.echo(f"{state:8}{hours.get(job.name, 0.0):8.2f}  {job.name}: {job.stage.what}")
    typer.echo(f"{sum(hours.values()):16.2f}  core-hours in all")
    if waiting:
        typer.echo(f"next: {shlex.join(waiting[0].words)}")


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except DlpoError as error:
        sys.exit(f"recipe: {error}")
