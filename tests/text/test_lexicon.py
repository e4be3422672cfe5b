"""The lexicon is found by bisection, in ARPAbet."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

import pytest

from dlpo.text.pronounce import Lexicon


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon()


@pytest.fixture(scope="module")
def listed_words() -> list[str]:
    """Every 97th word of the lexicon, read in the plain way."""
    path = files("gruut_lang_en") / "lexicon.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as rows:
        found = rows.execute("SELECT word FROM word_phonemes WHERE id % 97 = 1").fetchall()
    rows.close()
    return [word for (word,) in found]


def test_listed_words_are_found(lexicon: Lexicon, listed_words: list[str]) -> None:
    assert len(listed_words) > 1000
    assert [word for word in listed_words if word not in lexicon] == []


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("hello", "HH EH0 L OW1"),
        ("church", "CH ER1 CH"),
        ("thing", "TH IH1 NG"),
        ("measure", "M EH1 ZH ER0"),
        ("boy", "B OY1"),
        ("zebra", "Z IY1 B R AH0"),
        ("service", "S ER1 V AH0 S"),  # the lexicon has a weak i
        ("information", "IH2 N F ER0 M EY1 SH AH0 N"),  # corrected
    ],
)
def test_pronunciations_are_arpabet_with_stress(lexicon: Lexicon, word: str, phonemes: str) -> None:
    assert " ".join(lexicon.pronunciations(word)[0].phonemes) == phonemes


def test_homographs_have_roles(lexicon: Lexicon) -> None:
    assert {p.role: " ".join(p.phonemes) for p in lexicon.pronunciations("read")} == {
        "VB": "R IY1 D",
        "VBD": "R EH1 D",
    }


@pytest.mark.parametrize("word", ["", "qqqq", "Hello", "zzzzzz", "'"])
def test_unlisted_words_are_not_there(lexicon: Lexicon, word: str) -> None:
    assert word not in lexicon
