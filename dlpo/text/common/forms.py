"""Written forms: each has a pattern and a function from its match to the words it is spoken as.

The most specific forms are tried first. Every quantifier of a pattern is bounded, so that time is
linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from dlpo.text.common.language import FormObserver, FormReading, Token
from dlpo.text.common.patterns import forget

Speak = Callable[[re.Match[str]], list[str] | None]
SpeakWord = Callable[[re.Match[str], Container[str], bool], list[str] | None]
"""The match of such a form, the words that the writer gives a pronunciation for, and whether
capitals mean something -> spoken words."""
Match = Callable[[str, int, int], re.Match[str] | None]
"""`match` of a compiled pattern."""
_DIGIT = re.compile("[0-9]")


class Form(NamedTuple):
    """A written form."""

    name: str
    """The row of the table it is from: ``en_us/rows/calendar.tsv:12``."""
    begins: str
    """The groups of the beginning pattern that it begins with. With a "0" among them there is a
    digit in each match or after it, with a "/" or ":" that sign; a text without it never tries the
    form."""
    pattern: str
    says: Speak | None
    """Its spoken words, None if it is something else after all. Of a form that is just a word,
    None: what is said depends on more than the match."""


def is_upper(text: str) -> bool:
    """Whether all letters of a text that have a case are capitals: "3ª VEZ", which isn't 3A."""
    return text == text.upper() != text.lower()


def text_before(match: re.Match[str], characters: int = 40) -> str:
    """At most that many characters before the match."""
    return match.string[max(0, match.start() - characters) : match.start()]


def digits_in_groups(written: str, digit_words: Callable[[str], list[str]]) -> list[str]:
    """A telephone number: the digits of each group by their names, with a pause between groups."""
    words: list[str] = []
    for group in re.findall(r"\d+", written):
        words += with_pause(digit_words(group))
    return [*words[:-1], words[-1].rstrip(",")]


def with_pause(words: list[str]) -> list[str]:
    """``["forty", "seven"]`` -> forty seven, with the comma."""
    *others, last = words
    return [*others, f"{last},"]


def with_ending(words: list[str], ending: str) -> list[str]:
    """``(["forty", "seven"], "'s")`` -> forty seven's; a plural has none: dollars."""
    *others, last = words
    return words if len(last) > 1 and last.endswith("s") else [*others, last + ending]


def capital_parts(upper: str, lower: str) -> re.Pattern[str]:
    """The parts of a word in camel case, ``HelloWorld``; arguments are classes of letters."""
    return re.compile(rf"[{upper}]{{2,}}(?![{lower}])|[{upper}]?[{lower}]+|[{upper}]|\d+")


class FormReader:
    """Reads text as the written forms of one language."""

    def __init__(self, begin: str, forms: Iterable[Form], ending: str = "(?!)") -> None:
        """
        Args:
            begin: a pattern of what any form begins with; its groups have names of one letter, "-"
                is what belongs to no group.
            forms: in the order in which they are tried.
            ending: a pattern of what belongs to the last word of a form, "'s" of "747's".
        """
        self._begin = re.compile(begin)
        self._ending = re.compile(ending)
        self._forms = tuple(forms)
        self._forms_of = cache(self._compiled)

    def _compiled(self, kind: str, missing: str) -> list[tuple[Match, Speak | None, str]]:
        """The matchers, functions and names of all forms that begin so and need no sign that is
        missing, compiled when first needed."""
        matchers = cache(lambda pattern: re.compile(pattern).match)
        return [
            (matchers(form.pattern), form.says, form.name)
            for form in self._forms
            if kind in form.begins and not set(missing) & set(form.begins)
        ]

    def tokens(
        self,
        text: str,
        word: SpeakWord,
        *,
        given: Container[str] = (),
        shouted: bool | None = None,
        start: int = 0,
        end: int | None = None,
        trace: FormObserver | None = None,
    ) -> Iterator[Token]:
        """The tokens of ``text[start:end]``, see `Language.tokens`.

        ``word`` says the forms that are just words.
        """
        position, end = start, len(text) if end is None else end
        capitals = not (is_upper(text) if shouted is None else shouted)
        missing = "".join(sign for sign in "/:" if text.find(sign, start, end) < 0)
        missing += "0" * (_DIGIT.search(text, start, end) is None)
        try:
            while begin := self._begin.search(text, position, end):
                position = begin.end()
                place = begin.start()
                forms = self._forms_of(begin.lastgroup or "-", missing)
                last = None  # forms of one pattern follow one another: it is matched once
                for match_at, speak, _ in forms:
                    if match_at is not last:
                        last, match = match_at, match_at(text, place, end)
                    if match is None:
                        continue
                    words = speak(match) if speak else word(match, given, capitals)
                    if words is None:
                        continue
                    if trace is not None:
                        readings = self._readings(match, forms, lambda m: word(m, given, capitals))
                        trace.form(match, readings)
                    position = match.end()
                    if words:  # an address may have none
                        written = match[0]
                        if speak and (ending := self._ending.match(text, position, end)):
                            words = with_ending(words, ending[0].lower())
                            written += ending[0]
                            position = ending.end()
                        yield Token(written, tuple(words), match.start(), position)
                    break
        finally:
            forget()

    def _readings(
        self, match: re.Match[str], forms: list[tuple[Match, Speak | None, str]], word: Speak
    ) -> Iterator[FormReading]:
        """What each form that matches where one has says there, in the order of the forms."""
        for match_at, speak, name in forms:
            if found := match_at(match.string, match.start(), match.endpos):
                words = (speak or word)(found)
                yield FormReading(name, found, words)
