"""The packed lexicon has what gruut's has, and finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.text.en_us.lexicon import Lexicon
from dlpo.text.en_us.pronounce import Pronouncer
from scripts.pack_lexicon import rows_of_gruut, write_lexicon


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Pronouncer().lexicon


def test_every_word_has_gruuts_pronunciations_in_their_order() -> None:
    lexicon, expected = Lexicon(), dict[str, list[tuple[tuple[str, ...], str]]]()
    for word, phonemes, role in rows_of_gruut():
        expected.setdefault(word, []).append((phonemes, role))
    assert len(expected) > 120_000
    for word, rows in expected.items():
        found = [(one.phonemes, one.role) for one in lexicon.pronunciations(word)]
        assert found == rows, word


@pytest.mark.parametrize("word", ["", "a\tb", "zzzzzzzz", "0", "\n", "hello\nhelp", "~", "Hello"])
def test_other_strings_have_no_pronunciation(lexicon: Lexicon, word: str) -> None:
    assert word not in lexicon


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("hello", "HH EH0 L OW1"),
        ("service", "S ER1 V AH0 S"),  # gruut has a weak i
        ("information", "IH2 N F ER0 M EY1 SH AH0 N"),  # corrected
    ],
)
def test_pronunciations_are_arpabet_with_stress(lexicon: Lexicon, word: str, phonemes: str) -> None:
    assert " ".join(lexicon.pronunciations(word)[0].phonemes) == phonemes


def test_a_written_lexicon_reads_back_whole(tmp_path: Path) -> None:
    rows = [(f"w{n // 2:04d}", ("T", f"AH{n % 3}"), "VB" if n % 2 else "") for n in range(1_000)]
    write_lexicon(tmp_path / "lexicon.bin", reversed(rows[::2]))
    lexicon = Lexicon(path=tmp_path / "lexicon.bin")
    for word, phonemes, role in rows[::2]:
        assert [(p.phonemes, p.role) for p in lexicon.pronunciations(word)] == [(phonemes, role)]
