"""Written forms that may mean several things, by sentences that taught nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.choices import seen
from dlpo.text.common.chooser import Candidate
from dlpo.text.common.tables import Tables
from dlpo.text.en_us.tables import TABLES

SENTENCES = Path(__file__).resolve().parents[3] / "recipe" / "texts" / "readings"
FRONT_END = TextFrontEnd()


def test_held_out_kinds_are_kept_apart() -> None:
    rows = Tables(str(SENTENCES / "_")).rows("held_out_kinds")
    names = [*dict.fromkeys(kind for kind, _ in rows)]
    model, right = TABLES.model("kinds"), 0
    assert model is not None
    for kind, written in rows:
        text = re.sub(r"[][]", "", written)
        start, end = written.index("["), written.index("]") - 1
        known = [name for name in names if name.split()[0] == kind.split()[0]]
        choice = model.choose([Candidate(one, "") for one in known], *seen(text, start, end))
        right += choice is not None and known[choice.chosen] == kind
    assert right >= 75, f"{right} of {len(rows)}; the first choice alone has 41"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The chorus moves into 6/8.", "the chorus moves into six eight"),
        ("We ate 3/4 of the pie.", "we ate three quarters of the pie"),
        ("Sales rose to 7m in spring.", "sales rose to seven million in spring"),
        ("The wall is 7m long.", "the wall is seven meters long"),
    ],
)
def test_neighbors_tell_what_is_meant(text: str, said: str) -> None:
    assert FRONT_END.process(text).sentences[0].normalized == said


def test_the_first_choice_is_taken_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLES, "model", lambda name: None)
    said = FRONT_END.process("Sales rose to 7m in spring.").sentences[0].normalized
    assert said == "sales rose to seven meters in spring"
