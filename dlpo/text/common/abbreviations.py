"""Abbreviations: whether one is meant where it could also be the end of a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

from dlpo.text.common.forms import Form, text_before
from dlpo.text.common.neighbors import NeighborPattern, neighbors_after, neighbors_before
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables, any_key

Fits = Callable[[re.Match[str]], bool]
"""Whether a match of an abbreviation is beside what a row asks for."""


class Abbreviations:
    """The abbreviations of a table, in any case, with or without spaces after their periods.

    Args:
        said: abbreviation in lower case, with spaces after periods -> its words.
        before_numbers: those that are said only before a number: "p. 3".
        before_names: those that are said only before a name: "c. Mayor". Before either if in both.
        letters: as in a class of a regular expression.
        ends: what else can't follow one.
    """

    def __init__(
        self,
        said: Mapping[str, list[str]],
        before_numbers: Container[str],
        before_names: Container[str],
        letters: str,
        ends: str,
    ) -> None:
        self._said = said
        self._before_numbers = before_numbers
        self._before_names = before_names
        self._letters = letters
        self._inner_period = re.compile(rf"(?<=\.)\s?(?=[{letters}])")
        keys = sorted(said, key=len, reverse=True)
        pattern = "|".join(re.escape(key).replace(r"\ ", r"\s?") for key in keys)
        written = rf"(?i:{pattern})(?![{letters}{ends}])"
        self.form = Form("abbreviations.tsv", "aA", written, self._words)

    def _words(self, match: re.Match[str]) -> list[str] | None:
        key = self._inner_period.sub(" ", match[0].lower()).strip()
        found = self._said.get(key)
        following = match.string[match.end() : match.end() + 3].lstrip()
        number = following[:1].isdigit() or re.match(r"[IVXL]+\b", following) is not None
        fits = {
            (False, False): True,
            (True, False): number,
            (False, True): following[:1].isupper(),
            (True, True): number or following[:1].isupper(),
        }
        return found if fits[key in self._before_numbers, key in self._before_names] else None


class InContext:
    """Abbreviations that mean something by what is before or after them: "Cl. 72", "12 Pte.".

    Args:
        tables: of the language.
        name: of the table: one or more abbreviations with "|" between them, in their case, those
            without a last period with or without it; what must be before one and after it, as in
            `dlpo.text.common.neighbors`, or empty; its words. The first row that fits says it.
        letters: as in a class of a regular expression.
        own_periods: whether one has no other period than that of its row.
        regular: whether what is before and after are regular expressions, which may name lists.
    """

    def __init__(
        self,
        tables: Tables,
        name: str,
        letters: str,
        own_periods: bool = False,
        regular: bool = False,
    ) -> None:
        context = _regular if regular else _neighbors
        self._meanings: dict[str, list[tuple[Fits, list[str]]]] = {}
        for index, (keys, before, after, words) in enumerate(tables.rows(name)):
            meaning = context(before, after, tables), tables.said(name, index, words)
            for key in keys.split("|"):
                self._meanings.setdefault(key, []).append(meaning)
        self.keys = self._meanings.keys()
        any_written = any_key(self._meanings)
        period = "" if own_periods else r"\.|"
        pattern = rf"(?<![{letters}\d.])(?:{any_written})(?:(?<=\.)|{period}(?![{letters}\d]))"
        self.form = Form(f"{name}.tsv", "aA", pattern, self._words)

    def _words(self, match: re.Match[str]) -> list[str] | None:
        written = match[0] if match[0] in self._meanings else match[0].rstrip(".")
        return next((words for fits, words in self._meanings[written] if fits(match)), None)


def _neighbors(before: str, after: str, tables: Tables) -> Fits:
    """Whether the words beside a match are those that the cells of a row ask for."""
    pattern_before = NeighborPattern(before, tables, True)
    pattern_after = NeighborPattern(after, tables, False)

    def fits(match: re.Match[str]) -> bool:
        text, (start, end) = match.string, match.span()
        if before and not pattern_before.fits(neighbors_before(text, start)):
            return False
        return not after or pattern_after.fits(neighbors_after(text, end))

    return fits


def _regular(before: str, after: str, tables: Tables) -> Fits:
    """The same where the cells are regular expressions."""
    left = late(tables.with_lists(rf"(?:{before})$"))
    right = late(tables.with_lists(after))
    return lambda match: bool(
        left.search(text_before(match)) and right.match(match.string, match.end())
    )


def opens_sentence(word: str, starters: Container[str]) -> bool:
    """Whether a lower-case word often opens a sentence, also contracted: "it's" as "it"."""
    return word in starters or word.partition("'")[0] in starters


def doubled_capitals(said: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Plurals in doubled letters as they are also written: ``ee. uu.`` -> ``EEUU``."""
    capitals = {key.replace(". ", "").strip(".").upper(): words for key, words in said.items()}
    return {key: w for key, w in capitals.items() if re.fullmatch(r"(\w)\1(\w)\2", key)}
