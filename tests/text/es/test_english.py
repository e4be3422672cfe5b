"""English words in Spanish text."""

from __future__ import annotations

import pytest

from dlpo.text.common.syllables import written
from dlpo.text.es.english import english_syllables


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("street", "es.ˈtɾit"),
        ("learning", "ˈleɾ.nin"),
        ("budget", "ˈba.ʝet"),
        ("review", "re.ˈbju"),
        ("dell", "ˈdel"),
        ("squid", "es.ˈkwid"),
        ("galaxy", "ˈɡa.lak.si"),
        ("yankees", "ˈʝan.kis"),
        ("home", "ˈxowm"),
        ("photo", "ˈfo.to"),
        ("office", "ˈo.fis"),
        ("robert", "ˈro.beɾt"),
        ("selfies", "ˈsel.fis"),
    ],
)
def test_an_english_word_sounds_as_a_spanish_speaker_says_it(word: str, said: str) -> None:
    assert written(english_syllables(word)) == said


@pytest.mark.parametrize(
    "word",
    [
        *("sale", "come", "leer", "lee", "idea", "real", "sea", "actor", "deshacer", "rey", "kilo"),
        *("monterrey", "qwrtzt", "álbum", "it", "madrid", "álex", "wikipedia", "sophia", "rwanda"),
        *("violetta", "miriam", "pizzeria", "vietnam"),
    ],
)
def test_a_spanish_word_is_read_by_the_rules(word: str) -> None:
    assert english_syllables(word) == []
