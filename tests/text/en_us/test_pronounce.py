"""How words sound alone, with endings, and among their neighbors."""

from __future__ import annotations

import pytest

from dlpo.text.en_us.letter_to_sound import LetterToSound
from dlpo.text.en_us.pronounce import Pronouncer, with_ed, with_s


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    return Pronouncer()


def said(pronouncer: Pronouncer, sentence: str, index: int) -> str:
    return " ".join(pronouncer.phonemes(sentence.split(), {})[index])


@pytest.mark.parametrize(
    ("stem", "plural", "past"),
    [
        ("K AE1 T", "K AE1 T S", "K AE1 T IH0 D"),
        ("D AO1 G", "D AO1 G Z", "D AO1 G D"),
        ("K IH1 S", "K IH1 S IH0 Z", "K IH1 S T"),
        ("JH AH1 JH", "JH AH1 JH IH0 Z", "JH AH1 JH D"),
    ],
)
def test_endings_follow_the_last_sound(stem: str, plural: str, past: str) -> None:
    assert " ".join(with_s(tuple(stem.split()))) == plural
    assert " ".join(with_ed(tuple(stem.split()))) == past


@pytest.mark.parametrize(
    ("sentence", "index", "phonemes"),
    [
        # homographs
        ("i read it", 1, "R IY1 D"), ("i have read it", 2, "R EH1 D"),
        ("to record", 1, "R IH0 K AO1 R D"), ("a record", 1, "R EH1 K ER0 D"),
        ("they live here", 1, "L IH1 V"), ("a live show", 1, "L AY1 V"),
        ("close the door", 0, "K L OW1 Z"), ("very close", 1, "K L OW1 S"),
        ("the use of it", 1, "Y UW1 S"), ("we use it", 1, "Y UW1 Z"),
        # weak forms
        ("the apple", 0, "DH IY0"), ("the table", 0, "DH AH0"), ("the year", 0, "DH IY0"),
        ("a table", 0, "AH0"), ("to eat", 0, "T UW1"), ("to go", 0, "T IH0"),
        ("used to", 0, "Y UW1 S T"), ("used it", 0, "Y UW1 Z D"),
        # letters
        ("A", 0, "EY1"), ("W", 0, "D AH1 B AH0 L Y UW2"), ("S's", 0, "EH1 S IH0 Z"),
        ("R S V P'd", 3, "P IY1 D"), ("F B I'll", 2, "AY1 L"), ("C I S've", 2, "EH1 S AH0 V"),
        # an unlisted form of a listed word
        ("connived", 0, "K AH0 N AY1 V D"),
    ],
)  # fmt: skip
def test_a_word_sounds_as_its_neighbors_ask(
    pronouncer: Pronouncer, sentence: str, index: int, phonemes: str
) -> None:
    assert said(pronouncer, sentence, index) == phonemes


@pytest.fixture(scope="module")
def net() -> LetterToSound:
    return LetterToSound()


def test_a_word_with_vowels_has_a_primary_stress(net: LetterToSound) -> None:
    for word in ("flumber", "trantoricity", "gribblesome", "okapify"):
        assert any(phoneme.endswith("1") for phoneme in net.phonemes(word)), word


def test_a_plain_invented_word_sounds_as_it_is_written(net: LetterToSound) -> None:
    assert net.phonemes("blint") == ("B", "L", "IH1", "N", "T")
