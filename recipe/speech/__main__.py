"""Speak the queue, and make corpora of what was said.

    python -m recipe.speech speak ROOT --teachers DIR --weights DIR --texts DIR   until all is said
        [--jobs 2] [--hours 10] [--held-out] [--without-sound]
    python -m recipe.speech letters TEXTS OUT                                     Spanish, for speak
    python -m recipe.speech corpus ROOT/VOICE OUT --teachers DIR [--like CORPUS]  for dlpo prepare

Interrupted or run again, `speak` goes on with the next clip. Only one `speak`
may run on a voice at a time.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from recipe.speech.spanish import lines

Teachers = Annotated[Path, typer.Option(help="Folder of teacher.py and aligner.py.")]

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command("speak")
def main(
    root: Annotated[Path, typer.Argument(help="Where the speech goes.")],
    teachers: Teachers,
    weights: Annotated[Path, typer.Option(help="Of get_hibari.sh, get_kokoro.sh.")],
    texts: Annotated[Path, typer.Option(help="Folder of conversation-a.csv.")],
    spanish: Annotated[Path | None, typer.Option(help="Letters of spanish.csv's texts.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 1,
    hours: Annotated[float, typer.Option(min=0.001, help="Of all voices together.")] = math.inf,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="The texts that voices are compared on instead.")
    ] = False,
    without_sound: Annotated[
        bool,
        typer.Option("--without-sound", help="Durations and pitch alone, 85 times real time."),
    ] = False,
) -> None:
    """Let Kokoro's voices say their texts."""
    from recipe.speech import speaking

    places = speaking.Folders(root, teachers, weights, texts, spanish, held_out, not without_sound)
    speaking.speak(places, jobs, hours)


@app.command()
def letters(
    texts: Annotated[Path, typer.Argument(help="spanish.csv: id|text.")],
    out: Annotated[Path, typer.Argument(help="The file for speak --spanish.")],
) -> None:
    """Write the letters of Spanish texts."""
    made = (f"{line}\n" for line in lines(texts.read_text(encoding="utf-8")))
    out.write_text("".join(made), encoding="utf-8")


@app.command()
def corpus(
    spoken: Annotated[Path, typer.Argument(help="Folder of a voice.")],
    out: Annotated[Path, typer.Argument(help="Folder of the corpus.")],
    teachers: Teachers,
    like: Annotated[
        Path | None, typer.Option(help="A corpus of the voice that has sound, for clips without.")
    ] = None,
) -> None:
    """Make a corpus of what a voice said."""
    from recipe.speech.corpus import CorpusMaker

    clips, left_out = CorpusMaker(teachers).make(spoken, out, like)
    typer.echo(f"{out}: {clips} clips, {len(left_out)} left out")


if __name__ == "__main__":
    app()
