"""Written forms and the words that they are spoken as."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.en_us import open_language
from dlpo.text.en_us.normalize import READER, word_of

KNOWN = frozenset((
    "a", "the", "i", "he", "it", "in", "on", "is", "was", "man", "plan", "option", "cat", "nasa",
    "us", "sat", "king", "mcdonald's",
))  # fmt: skip


FRONT_END = TextFrontEnd()
readable_text = open_language().characters.readable


def rows(name: str) -> list[list[str]]:
    """Those of NAME.tsv without its head; its pictures of line ends and tabs stand for them."""
    lines = (Path(__file__).parent / f"{name}.tsv").read_text().splitlines()[1:]
    return [[c.translate({0x23CE: "\n", 0x2409: "\t"}) for c in x.split("\t")] for x in lines]


def test_written_forms_read_as_a_person_says_them() -> None:
    found = {
        text: " ".join(sentence.normalized for sentence in FRONT_END.process(text).sentences)
        for _, text, _ in rows("agent_texts")
    }
    wrong = {text: found[text] for _, text, said in rows("agent_texts") if found[text] != said}
    assert len(found) > 300
    assert not wrong


def spoken(text: str) -> str:
    say = partial(word_of, listed=KNOWN.__contains__)
    return " ".join(word for token in READER.tokens(text, say) for word in token.words)


@pytest.mark.parametrize(("written", "expected"), rows("written_forms"))
def test_written_form_is_spoken_as_words(written: str, expected: str) -> None:
    assert spoken(readable_text(written).text) == expected


@pytest.mark.parametrize(
    ("written", "readable", "dropped"),
    [
        ("plain", "plain", 0),
        ("Café naïve", "Cafe naive", 0),
        ("“quoted” — it’s…", '"quoted" — it\'s…', 0),
        ("nai\u0308ve", "naive", 0),
        ("ok 👍🏽", "ok   ", 2),
        ("e\u200bx", "ex", 0),
        ("a\x00b\x07c", "a b c", 0),
        ("x\ud800y", "x y", 1),
        ("Привет", "      ", 6),
        ("½ straße", " 1/2  strasse", 0),
        ("٣", "3", 0),
    ],
)
def test_characters_are_folded_or_dropped_with_a_count(
    written: str, readable: str, dropped: int
) -> None:
    found = readable_text(written)
    assert (found.text, len(found.dropped)) == (readable, dropped)
