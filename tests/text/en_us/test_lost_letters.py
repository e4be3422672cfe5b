"""Every letter of a text is spoken, or reported as not spoken."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.reading import TextReading
from dlpo.text.en_us.abbreviations import ABBREVIATIONS
from dlpo.text.en_us.interjections import plain_word
from dlpo.text.en_us.technical import term_words

FRONT_END = TextFrontEnd()
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "ljspeech" / "metadata.csv"
PIECES = [
    "a", "I", "d'Arc", "I'd've", "L'Aquila", "T'Challa", "drivin'", "th'", "G'day", "s'pose", "'em",
    "don`t", "AT&T", "IT", "US", "xyz.", "max.", "Rev.", "Mr.", "e.g.", "St.", "No.", "5", "1,234",
    "1.5", "$20", "5-lb", "15\"", "10:30", "2024/10/01", "H2SO4", "NaCl", "XIV", "MCMLX", "S01E05",
    "€5", "₹1,50,000", "#42", "@ann", "a@b.org", "example.com/a", "v1.2", "~/x", "<b>", "</b>",
    "<br>", "&amp;", "&lt;", "<think>", "</think>", "[laughs]", "[pause:1s]", "[1]", "==x==", "$x$",
    "**b**", "`c`", "\n", "\n\n", "1. ", "- ", "A) ", "世界", "é", "ñ", "Ω", "π", "😀", "!", "?",
    ".", ",", "...", "—", "(", ")", "'", "\"", "/", "read", "lead", "the", "cat", "One.Two", "Ok",
]  # fmt: skip
IN_CONTEXT = {"dr", "st", "x", "hx"}  # doctor or drive, saint or street, times or by, history
STRETCHED = re.compile(r"([a-z])\1\1")  # sooo, which is read as "so"
CAMEL = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+(?:'[a-z]+){0,3}|[A-Z]")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ''''   "


def invented(number: int) -> Iterator[str]:
    """Texts of pieces that people write, and of letters at random."""
    chance = random.Random(56)
    for _ in range(number):
        if chance.random() < 0.3:
            yield "".join(chance.choices(LETTERS, k=chance.randint(1, 40)))
        else:
            between = chance.choice(["", " ", " "])
            yield between.join(chance.choices(PIECES, k=chance.randint(1, 8)))


def letters(text: str) -> str:
    return "".join(one for one in text if one.isalpha())


def lost(text: str) -> str:
    """What is neither spoken nor reported, "" if nothing is."""
    reading = TextReading()
    sentences = FRONT_END.process_passage(text, {}, reading)
    if not sentences:
        return ""  # reported
    spoken = bytearray(len(text))
    for sentence in sentences:
        for word in sentence.words:
            spoken[word.start : word.end] = b"\1" * (word.end - word.start)
            if not word.phonemes:
                return word.word
    silent = letters("".join(one for one, said in zip(text, spoken, strict=True) if not said))
    reported = letters("".join(reading.warnings.unspoken))
    return "" if silent == reported else f"{silent!r}, reported {reported!r}"


def shortened(text: str) -> str:
    """The plain words of a text whose letters aren't all in what is said for them."""
    for token in FRONT_END.language.tokens(text, shouted=False):
        written = token.text.lower()
        plain = re.fullmatch(r"[a-z]+(?:'[a-z]+)*", written)
        stem = written.partition("'")[0]
        numeral = re.match(r"[IVXLCDM]{2,}(?:st|nd|rd|th)?$", token.text)
        if (
            stem in IN_CONTEXT
            or not plain
            or numeral
            or STRETCHED.search(written)
            or term_words(written)
            or ABBREVIATIONS.keys() & {stem, f"{stem}."}
        ):
            continue
        said = "".join(letters(word.lower()) for word in token.words)
        if said != letters(written) and not (
            token.text.isupper() or term_words(token.text) or term_words(stem)
        ):
            runs = re.findall("[A-Z]?[a-z]+", token.text)
            parts = [token.text, *runs, *CAMEL.findall(token.text)]
            if not any(map(is_read_otherwise, parts)):
                return f"{token.text}: {token.words}"
    return ""


def is_read_otherwise(part: str) -> bool:
    """Whether a word has other letters than it is written with: a term, an abbreviation, a hum."""
    is_hum = plain_word(part, lambda word: False) or part.lower() in ("hm", "mm")
    return bool(is_hum or term_words(part) or part.lower() in ABBREVIATIONS)


def check(texts: Iterator[str]) -> None:
    found = {text: what for text in texts if (what := lost(text) or shortened(text))}
    assert not found


def test_letters_of_invented_texts_are_accounted_for() -> None:
    check(invented(600))


@pytest.mark.full
def test_letters_of_100_000_texts_are_accounted_for() -> None:
    if not SHARED.exists():
        pytest.skip("needs ../shared/data/ljspeech")
    real = (line.split("|")[1] for line in SHARED.read_text(encoding="utf-8").splitlines())
    check(real)
    check(invented(87_000))
