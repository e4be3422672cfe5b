"""Abbreviations at whose period a sentence ends or goes on, by sentences that taught nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.tables import Tables

SENTENCES = Path(__file__).resolve().parents[3] / "recipe" / "texts" / "readings" / "es"
FRONT_END = TextFrontEnd(language="es")


def ends(text: str) -> set[int]:
    return {part.words[-1].end for part in FRONT_END.process(text).sentences if part.words}


def test_held_out_periods_are_read_right() -> None:
    rows = list(Tables(str(SENTENCES / "_")).rows("held_out_periods"))
    right = sum(
        (kind == "end") == bool(ends(f"{before} {after}") & {len(before) - 1, len(before)})
        for kind, before, after in rows
    )
    assert right >= 108  # of 131; rules alone have 74


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mi hermana vive en EE. UU. Trabaja de enfermera.", 2),
        ("El embajador de EE. UU. John Smith visitó la planta.", 1),
        ("Autor: J. Borges", 1),
        ("Lo fabrica Juguetes Sol, S. L. Garantía de dos años.", 2),
    ],
)
def test_what_follows_tells_whether_it_ends(text: str, sentences: int) -> None:
    assert len(FRONT_END.process(text).sentences) == sentences


def test_usual_words_decide_alone_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = TextFrontEnd(language="es")
    monkeypatch.setattr(front_end.language, "_model", lambda: None)
    assert len(front_end.process("Vive en EE. UU. Pero viaja.").sentences) == 2
    assert len(front_end.process("Vive en EE. UU. Canadá está cerca.").sentences) == 1
