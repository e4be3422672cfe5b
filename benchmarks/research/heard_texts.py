"""The texts by which dlpo and other engines are compared: no voice learned from their sound.

    python -m research.heard_texts TEXTS CORPUS OUT

Writes lines `name<tab>kind<tab>text` for `dlpo eval --texts`: held-out everyday texts of TEXTS
(conversation-a.csv), prose of the LJSpeech corpus, and what screen readers and agents say alone.
Of two thirds of the prose, LJSpeech's chapter 50, the voice `lj` has learned the durations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.data.ljspeech import read_transcripts
from dlpo.errors import writing
from dlpo_bench.clips import TEST_SPLIT
from recipe.speech.speaking import EVERYDAY
from recipe.speech.texts import read_texts
from research import run_study
from research.teachers import alone

EVERYDAY_TEXTS = 150
PROSE = (*TEST_SPLIT, *(f"LJ050-{number:04d}" for number in range(1, 41)))


def main(
    texts: Annotated[Path, typer.Argument(help="Folder of conversation-a.csv.")],
    corpus: Annotated[Path, typer.Argument(help="LJSpeech's folder.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Write the texts."""
    everyday = read_texts(texts / EVERYDAY, "", digits=True, measured=True)[:EVERYDAY_TEXTS]
    rows = [(one.id, "everyday", one.text) for one in everyday]
    prose = read_transcripts(corpus / "metadata.csv")
    rows += [(name, "prose", prose[name]) for name in PROSE]
    rows += [(f"short-{number:03d}", "short", text) for number, text in enumerate(alone("en"), 1)]
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{out}: {len(rows)} texts")


if __name__ == "__main__":
    run_study(main)
