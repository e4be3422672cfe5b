"""`say-as` in any language: its kinds, checks and messages; a language brings the words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from dlpo.text.common.language import Token
from dlpo.text.common.numbers import roman_value

_SAME_AS = {
    "number": "cardinal",
    "spell-out": "characters",
    "verbatim": "characters",
    "bleep": "expletive",
}
_LASTS = re.compile(
    r"(?:(\d{1,4})\s?h(?:ours?|rs?)?)?\s?(?:(\d{1,4})\s?m(?:in(?:ute)?s?)?)?"
    r"\s?(?:(\d{1,4})\s?s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
DATE_FORMATS = ("mdy", "dmy", "ymd", "ydm", "md", "dm", "my", "ym", "d", "m", "y")
_DATE_FIELDS = {"d": r"0?[1-9]|[12]\d|3[01]", "m": r"0?[1-9]|1[0-2]", "y": r"\d{4}|\d\d"}
_ONLY_NUMBER = re.compile(r"[\d\s.,-]*")
_DURATION = re.compile(r"(?:(\d{1,4})')?(?:(\d{1,4})(?:\"|''))?")


EXPECTED = {
    "cardinal": "",
    "number": "",
    "ordinal": "",
    "characters": "letters, digits or signs",
    "spell-out": "letters, digits or signs",
    "digits": "digits",
    "date": "",
    "time": "",
    "telephone": "",
    "currency": "",
    "fraction": "a fraction, such as 3/4 or 1 1/2",
    "unit": "a number and a unit, such as 10 kg",
    "duration": "a duration, such as 2h15m or 1:30",
    "address": "an address",
    "name": "a name",
    "acronym": "an abbreviation",
    "verbatim": "letters, digits or signs",
    "expletive": "a word, which isn't spoken",
    "bleep": "a word, which isn't spoken",
}
"""Kind -> what its content is, with an example, for messages; a language fills in the others."""


class SayAs:
    """The words of each kind, as in a `Token`; none for what isn't of the kind.

    A language writes the methods whose names aren't those of kinds, and others where it differs.
    """

    date_without_year: ClassVar[str]
    """format of 3/4"""
    expected: ClassVar[Mapping[str, str]]
    """see `EXPECTED`"""
    clock: ClassVar[re.Pattern[str]]
    """a time of day, as the language writes it"""

    def said_as(self, kind: str, content: str, format: str = "") -> list[str]:
        """The words of ``<say-as interpret-as=kind format=format>content</say-as>``.

        Args:
            kind: one of the standard's or the big vendors' values.
            content: readable text (see `Characters`).
            format: of a date, such as ``dmy``; of a time, where it changes nothing.

        Raises:
            ValueError: what is wrong, and what was expected.
        """
        if kind not in self.expected:
            raise ValueError(f"interpret-as={kind!r}; expected {', '.join(self.expected)}")
        content = " ".join(content.split())
        words = self.date(content, format) if kind == "date" else self._of_kind(kind, content)
        if not words:
            raise ValueError(f"{kind}: got {content!r}; expected {self.expected[kind]}")
        return words

    def _of_kind(self, kind: str, content: str) -> list[str]:
        one = _SAME_AS.get(kind, kind)
        say: Callable[[str], list[str]] = getattr(self, one)
        return say(content)

    # ------------------------------------------------------------------ what a language says
    tokens: Callable[[str], Iterator[Token]]
    """The content as the language reads it in a text."""
    digit_words: Callable[[str], list[str]]
    """Each digit by its name; other characters are skipped."""
    character: Callable[[str], list[str]]
    """The name of a letter or a sign."""
    cardinal_or_ordinal: Callable[[str, bool], list[str]]
    """A number as it is written, and whether it is an ordinal."""
    date_words: Callable[[str, int | None, str], list[str]]
    """The parts of a date that are given: day, month and year."""

    def lasting(self, minutes: str, seconds: str, hours: str = "") -> list[str]:
        """A duration; "" for what isn't given."""
        raise NotImplementedError

    # ------------------------------------------------------------------ kinds
    def cardinal(self, content: str) -> list[str]:
        value = roman_value(content)
        return self.cardinal_or_ordinal(content if value is None else str(value), False)

    def ordinal(self, content: str) -> list[str]:
        value = roman_value(content)
        return self.cardinal_or_ordinal(content if value is None else str(value), True)

    def characters(self, content: str) -> list[str]:
        said = (self.digit_words(c) if c.isdigit() else self.character(c) for c in content)
        return [word for words in said for word in words]

    def digits(self, content: str) -> list[str]:
        return self.digit_words(content) if re.fullmatch(r"[\d\s.,-]{1,1000}", content) else []

    def date(self, content: str, format: str) -> list[str]:
        if not format and re.fullmatch(r"\d\d?[/.-]\d\d?", content):
            format = self.date_without_year
        format = re.sub(r"(.)\1+", r"\1", format.lower())  # yyyymmdd
        content = re.sub(r"^\?{2,4}[\s./-]?|[\s./-]?\?{2,4}$", "", content)
        if {*"ymd"} == {*format} and re.fullmatch(r"\d{1,2}[\s./-]?\d{1,2}", content):
            format = format.replace("y", "")
        if not format and re.fullmatch(r"(?:19|20)\d{6}", content):
            format = "ymd"
        if not format:
            return self.as_written(content)
        found = date_fields(content, format)
        month = int(found["m"]) if "m" in found else None
        return self.date_words(found.get("d", ""), month, found.get("y", ""))

    def time(self, content: str) -> list[str]:
        lasts = _DURATION.fullmatch(content)
        if lasts and content:
            return self.lasting(lasts[1] or "", lasts[2] or "")
        return self.as_written(content) if self.clock.fullmatch(content) else []

    def telephone(self, content: str) -> list[str]:
        return self.as_written(content)

    def currency(self, content: str) -> list[str]:
        return [] if _ONLY_NUMBER.fullmatch(content) else self.as_written(content)

    def fraction(self, content: str) -> list[str]:
        with_blanks = re.sub(r"\s?\+\s?", " ", content)
        return self.as_written(with_blanks) if "/" in content else []

    def unit(self, content: str) -> list[str]:
        return self.currency(content)

    def duration(self, content: str) -> list[str]:
        parts = _LASTS.fullmatch(content)
        clock = re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,2}):(\d\d)", content)
        found = parts or clock
        if found is None or not any(found.groups()):
            return []
        hours, minutes, seconds = found.groups()
        return self.lasting(minutes or "", seconds or "", hours or "")

    def address(self, content: str) -> list[str]:
        return self.read(re.sub(r"(?<=\d)(?=[NSEW]\b)", " ", content))

    def name(self, content: str) -> list[str]:
        return [word.lower() for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", content)]

    def acronym(self, content: str) -> list[str]:
        return self.read(content)

    def expletive(self, content: str) -> list[str]:
        return ["beep"] if content else []

    def read(self, content: str) -> list[str]:
        """The words of a text as the language reads it."""
        return [word for token in self.tokens(content) for word in token.words]

    def as_written(self, content: str) -> list[str]:
        """The words of a text with digits that is read as one token; none otherwise."""
        found = list(self.tokens(content)) if re.search(r"\d", content) else []
        return list(found[0].words) if len(found) == 1 and found[0].end == len(content) else []


def date_fields(content: str, format: str) -> dict[str, str]:
    """The day d, month m and year y of a date, as far as its format has them.

    Raises:
        ValueError: there is no such format, or the date doesn't fit it.
    """
    if format not in DATE_FORMATS:
        raise ValueError(f"date: format={format!r}; expected {', '.join(DATE_FORMATS)}")
    fields = r"[\s./-]?".join(f"(?P<{field}>{_DATE_FIELDS[field]})" for field in format)
    match = re.fullmatch(fields, content)
    if match is None:
        raise ValueError(f"date: got {content!r}; expected digits that fit format={format!r}")
    return match.groupdict()
