"""Abbreviations at whose period a sentence ends or goes on, by sentences that taught nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.tables import Tables

SENTENCES = Path(__file__).resolve().parents[3] / "recipe" / "texts" / "readings"
FRONT_END = TextFrontEnd()


def ends(text: str) -> set[int]:
    return {part.words[-1].end for part in FRONT_END.process(text).sentences if part.words}


def right(name: str) -> int:
    """How many sentences of a table end, or go on, where they should."""
    rows = Tables(str(SENTENCES / "_")).rows(name)
    return sum(
        (kind == "end") == bool(ends(f"{before} {after}") & {len(before) - 1, len(before)})
        for kind, before, after in rows
    )


def test_held_out_periods_are_read_right() -> None:
    assert right("held_out_periods") >= 283  # of 340; rules alone have 198


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("We credited your acct. Allow three days.", 2),
        ("Grab a 12 oz. Coke from the fridge.", 1),
        ("The Marines of the U.S. Navy left.", 1),
        ("Robert I. Bouck spoke with J. Edgar Hoover.", 1),
        ("It is in the key of C. Mozart wrote it.", 2),
        ("We close at 5 p.m. Visitors leave by six.", 2),
    ],
)
def test_what_follows_tells_whether_it_ends(text: str, sentences: int) -> None:
    assert len(FRONT_END.process(text).sentences) == sentences


def test_usual_words_decide_alone_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FRONT_END.language, "_model", lambda: None)
    assert len(FRONT_END.process("We left the U.S. It was cold.").sentences) == 2
    assert len(FRONT_END.process("We left the U.S. Senate.").sentences) == 1
