"""Written text -> tokens, each with the words it is spoken as and its place in the text.

One regular expression lists every written form, the most specific first; each form has one
function from its match to words. Every quantifier is bounded, so that time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dlpo.text import abbreviations, addresses, calendar, quantities
from dlpo.text.abbreviations import expanded

_SIGNS = {
    "&": "and", "+": "plus", "=": "equals", "%": "percent", "@": "at", "°": "degrees",
    "©": "copyright", "§": "section", "×": "times", "÷": "divided by", "±": "plus or minus",
    "→": "to", "<": "less than", ">": "greater than", "≈": "approximately", "≤": "at most",
    "≥": "at least", "≠": "is not equal to", "#": "number", "$": "dollars", "£": "pounds",
    "€": "euros", "¥": "yen", "¢": "cents", "~": "about", "*": "times",
    "^": "to the power of",
}  # fmt: skip
_PLAIN = r"(?<![\w.@'])[a-z]{2,40}(?:'[a-z]{1,3})?(?=[ ,;!?\n]|:\s)"
_WORD = r"[A-Za-z]{1,60}(?:'[A-Za-z]{1,20}){0,3}"
_SIGN = r"[&+=%@°©§×÷±→≈≤≥≠$£€¥¢]|#(?=\w)|~(?=\d)|(?<=\w)\^(?=\w)|(?<=\s)[<>*](?=\s)"
_FORMS = {**addresses.FORMS, **calendar.FORMS, **quantities.FORMS, **abbreviations.FORMS}
_TOKEN = re.compile(
    "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in [
            ("plain", _PLAIN),
            *((name, pattern) for name, (pattern, _) in _FORMS.items()),
            ("word", _WORD),
            ("sign", _SIGN),
        ]
    )
)
_WORD_ONLY = re.compile(_WORD)
_ACRONYM_LETTERS = 5  # a longer unknown word in capitals is more often a shouted word
_PRONOUNCEABLE = re.compile(r"[^AEIOU]{0,2}[AEIOU][^AEIOU]{1,2}[AEIOU][^AEIOU]{0,2}")  # COVID
_CAMEL = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+(?:'[a-z]+)?|[A-Z]")
_READ_AS_LETTERS = frozenset({"AD", "AI", "BC", "EU", "ID", "TV", "UK", "US"})
_ARTICLE_BEFORE = re.compile(r"\s{1,3}[\w\"'($]")


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of text that is one thing to a reader: ``cat``, ``Dr.``, ``$5 million``."""

    text: str
    words: tuple[str, ...]
    """As spoken, lower case, but for single capitals: letters to be called by their names."""
    start: int
    end: int
    phonemes: tuple[str, ...] | None = None
    """Of its one word, if the writer gives its pronunciation."""


def tokens(
    text: str,
    is_word: Callable[[str], bool],
    *,
    shouted: bool | None = None,
    start: int = 0,
    end: int | None = None,
) -> Iterator[Token]:
    """Readable text (see `readable_text`) -> its spoken tokens in order.

    Between two tokens there is punctuation and white space; an abbreviation's period belongs to
    the abbreviation.

    Args:
        text: of which the passage from ``start`` to ``end`` is read.
        is_word: tells whether a lower-case word has a known pronunciation: what is unknown and in
            capitals is read letter by letter.
        shouted: capitals mean nothing here; by default where there is nothing but capitals.
    """
    position, end = start, len(text) if end is None else end
    if shouted is None:
        shouted = text.isupper()
    while match := _TOKEN.search(text, position, end):
        form = match.lastgroup or ""
        words: list[str] | None = None
        if form == "plain":
            words = [match[0]]
        elif form == "sign":
            tag = match[0] == "#" and text[match.end()].isalpha()
            words = ["hashtag"] if tag else _SIGNS[match[0]].split()
        elif form != "word":
            words = _FORMS[form][1](match)
        if words is None:
            match = _WORD_ONLY.match(text, match.start(), end)
            assert match is not None  # what declines to speak begins with a letter
            words = _words_of(match[0], is_word, shouted)
            if words == ["A"] and (shouted or _is_article(match)):
                words = ["a"]
        position = match.end()
        if words:  # an address may have none
            yield Token(match[0], tuple(words), match.start(), match.end())


def _is_article(match: re.Match[str]) -> bool:
    """ "A cat" and "a cat", but not "option A is" or "plan A."."""
    text, (start, end) = match.string, match.span()
    inside = match[0] == "A" and start > 1 and text[start - 1] == " " and text[start - 2].islower()
    return not inside and _ARTICLE_BEFORE.match(text, end) is not None


def _words_of(written: str, is_word: Callable[[str], bool], shouted: bool) -> list[str]:
    """A run of letters and apostrophes -> words: plain, expanded, spelled or split at capitals."""
    word = written.lower()
    if expansion := expanded(written):
        return expansion
    if len(written) == 1:
        return ["i" if word == "i" else written.upper()]
    stem, apostrophe, ending = written.partition("'")
    has_vowel = not set("aeiouy").isdisjoint(stem.lower())
    if stem.isupper() and not shouted and stem in _READ_AS_LETTERS:
        return _letters(stem, apostrophe + ending)
    if is_word(word) or (written == word and has_vowel):
        return [word]
    if stem[-1] == "s" and stem[:-1].isupper() and len(stem) > 2 and not ending:  # CPUs
        return _letters(stem[:-1], "'s")
    acronym = stem.isupper() and not _PRONOUNCEABLE.fullmatch(stem)
    if len(stem) <= _ACRONYM_LETTERS and (acronym or not has_vowel):  # SQL, mp
        return _letters(stem.upper(), apostrophe + ending)
    parts = _CAMEL.findall(written) if not written.isupper() else []
    if len(parts) > 1:
        return [spoken for part in parts for spoken in _words_of(part, is_word, shouted)]
    return [word]


def _letters(letters: str, ending: str) -> list[str]:
    """``("FBI", "'s")`` -> F, B, I's: each letter to be named, the ending on the last one."""
    return [*letters[:-1], letters[-1] + ending.lower()]
