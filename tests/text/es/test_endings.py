"""What kind of ending a Spanish text asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.rl.ending_prompts import read_ending_prompts
from dlpo.text.es.endings import ENDINGS


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("¿Me oyes?", "yes_no"),
        ("¿Que vienes mañana?", "yes_no"),
        ("¿Dónde está?", "wh"),
        ("Y entonces, ¿a qué hora?", "wh"),
        ("Cuando llegues, ¿me llamas?", "yes_no"),
        ("¿Quieres té o café?", "alternative"),
        ("¿Es verano u otoño?", "alternative"),
        ("¿Vienes o no?", "yes_no"),
        ("Hace frío, ¿verdad?", "tag"),
        ("Te gusta, ¿no?", "tag"),
        ("Está lejos.", "statement"),
        ("¡Alto!", "statement"),
    ],
)
def test_kind_of_ending(text: str, kind: str) -> None:
    assert ENDINGS.kind(text) == kind


def test_lists_have_commas_that_stay_up() -> None:
    assert ENDINGS.lists("Hay pan, queso, aceitunas, y algo dulce.")
    assert not ENDINGS.lists("Si quieres, ven.")


def test_prompts_are_read_in_their_language(tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("1|¿Dónde está mi libro?\n2|¿Vienes mañana con tu hermano?", "utf-8")
    found = read_ending_prompts([f"{texts}=es"])
    assert [one.kind for one in found] == ["wh", "yes_no"]
