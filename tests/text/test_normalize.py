"""Written forms and the words that they are spoken as."""

from __future__ import annotations

import pytest

from dlpo.text.characters import readable_text
from dlpo.text.normalize import tokens

KNOWN = frozenset((
    "a", "the", "i", "he", "it", "in", "on", "is", "was", "man", "plan", "option", "cat", "nasa",
    "us", "sat", "king", "mcdonald's",
))  # fmt: skip


def spoken(text: str) -> str:
    return " ".join(word for token in tokens(text, KNOWN.__contains__) for word in token.words)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        # numbers, ordinals, years
        ("1,234,567.89", "one million two hundred thirty four thousand five hundred sixty seven "
                         "point eight nine"),
        ("the 21st", "the twenty first"),
        ("in 1984", "in nineteen eighty four"),
        ("the 1980s, the '90s", "the nineteen eighties the nineties"),
        ("1914-1918", "nineteen fourteen to nineteen eighteen"),
        ("1914-18", "nineteen fourteen to eighteen"),
        ("-5 and 3-5", "minus five and three to five"),
        ("007", "zero zero seven"),
        ("1.2.3", "one point two point three"),
        ("1/2, 2/3, 5 1/4, 7/0", "a half two thirds five and a quarter seven over zero"),
        ("24/7", "twenty four seven"),
        # money
        ("$1", "one dollar"),
        ("$1,234.56", "one thousand two hundred thirty four dollars and fifty six cents"),
        ("$0.99", "ninety nine cents"),
        ("£1.01", "one pound and one penny"),
        ("$5 million", "five million dollars"),
        ("€3.2bn", "three point two billion euros"),
        ("50¢", "fifty cents"),
        # times and dates
        ("5:30 p.m.", "five thirty P M"),
        ("3:00", "three o'clock"),
        ("09:05 am", "nine oh five A M"),
        ("13:00", "thirteen hundred"),
        ("7pm", "seven P M"),
        ("July 4, 1776", "july fourth seventeen seventy six"),
        ("Sept. 5th", "september fifth"),
        ("4 July 2026", "the fourth of july twenty twenty six"),
        ("the 4th of July", "the fourth of july"),
        ("March 2020", "march twenty twenty"),
        ("2026-11-20", "november twentieth twenty twenty six"),
        ("11/20/26", "november twentieth twenty six"),
        ("20/11/2026", "november twentieth twenty twenty six"),
        # units and signs
        ("5 km", "five kilometers"),
        ("1 kg", "one kilogram"),
        ("6 ft", "six feet"),
        ("-3.5 °C", "minus three point five degrees celsius"),
        ("100 km/h", "one hundred kilometers per hour"),
        ("50%", "fifty percent"),
        ("x & b = c", "X and B equals C"),
        ("#1", "number one"),
        # phone numbers and addresses
        ("555-123-4567", "five five five one two three four five six seven"),
        ("(555) 123-4567", "five five five one two three four five six seven"),
        ("bob.s@foo.com", "bob dot S at foo dot com"),
        ("https://www.x.org/a_b", "W W W dot X dot org slash A underscore B"),
        ("example.co.uk", "example dot co dot U K"),
        # abbreviations, acronyms, roman numerals
        ("Dr. Smith", "doctor smith"),
        ("Dr Smith of Main St", "doctor smith of main street"),
        ("Elm Dr. is long", "elm drive is long"),
        ("St. John", "saint john"),
        ("Bury St. Edmunds", "bury saint edmunds"),
        ("Main St. is on 5th St.", "main street is on fifth street"),
        ("Mr Smith etc.", "mister smith et cetera"),
        ("No. 5", "number five"),
        ("No. He", "no he"),
        ("e.g. this", "for example this"),
        ("the FBI's U.S. CPUs", "the F B I's U S C P U's"),
        ("NASA", "nasa"),
        ("the US", "the U S"),
        ("COVID", "covid"),
        ("Henry VIII", "henry the eighth"),
        ("World War II", "world war two"),
        ("Chapter IV", "chapter four"),
        ("Malcolm X", "malcolm X"),
        ("Richard M. Nixon", "richard M nixon"),
        ("A man; option A is", "a man option A is"),
        ("mp3", "M P three"),
        ("iPhone", "i phone"),
        # a whole text in capitals is shouted, not spelled; punctuation is silent
        ("A KING SAT ON US", "a king sat on us"),
        ("... -- !? *** \"' ()\n \t", ""),
    ],
)  # fmt: skip
def test_written_form_is_spoken_as_words(written: str, expected: str) -> None:
    assert spoken(readable_text(written).text) == expected


def test_a_token_knows_where_it_stands() -> None:
    text = "He paid $5.50, then left."
    assert [text[token.start : token.end] for token in tokens(text, lambda _: True)] == [
        "He", "paid", "$5.50", "then", "left",
    ]  # fmt: skip


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
    assert (found.text, found.dropped) == (readable, dropped)


def test_folded_text_remembers_where_its_characters_stood() -> None:
    original = "😀 ½ naïve straße"
    found = readable_text(original)
    start = found.text.index("strasse")
    assert slice(*found.source_span(start, start + 7)) == slice(10, 16)
    assert original[10:16] == "straße"
