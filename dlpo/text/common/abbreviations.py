"""Abbreviations: whether one is meant where it could also be the end of a sentence."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from dlpo.text.common.forms import Form
from dlpo.text.common.neighbors import Context
from dlpo.text.common.tables import Tables, any_key


class Abbreviations:
    """Those of abbreviations.tsv, in any case, with or without spaces after their periods.

    Those of the lists "abbreviations before numbers" and "abbreviations before names" are said only
    there: "p. 3", "c. Mayor".

    Args:
        tables: of the language; the table has them in lower case, with spaces after periods.
        letters: as in a class of a regular expression.
        ends: what else can't follow one.
    """

    def __init__(self, tables: Tables, letters: str, ends: str) -> None:
        self._said = tables.words("abbreviations")
        self._before_numbers = tables.word_list("abbreviations before numbers")
        self._before_names = tables.word_list("abbreviations before names")
        self._inner_period = re.compile(rf"(?<=\.)\s?(?=[{letters}])")
        keys = sorted(self._said, key=len, reverse=True)
        pattern = "|".join(re.escape(key).replace(r"\ ", r"\s?") for key in keys)
        written = rf"(?i:{pattern})(?![{letters}{ends}])"
        self.form = Form("abbreviations.tsv", "aA", written, self._words)

    def _words(self, match: re.Match[str]) -> list[str] | None:
        key = self._inner_period.sub(" ", match[0].lower()).strip()
        found = self._said.get(key)
        following = match.string[match.end() : match.end() + 3].lstrip()
        number = following[:1].isdigit() or re.match(r"[IVXL]+\b", following) is not None
        of_number, of_name = key in self._before_numbers, key in self._before_names
        fits = (of_number and number) or (of_name and following[:1].isupper())
        return found if fits or not (of_number or of_name) else None


class InContext:
    """Abbreviations that mean something by the words beside them: "Cl. 72", "the 21st Inf. Div.".

    Args:
        tables: of the language.
        name: of the table: one or more abbreviations with "|" between them, in their case and, of
            three characters or more, in capitals; or as ``{kind}`` all that
            abbreviations_by_kind.tsv has of a kind; what must be before one and after it, see
            `dlpo.text.common.neighbors`; its words. The first row that fits says it.
        letters: characters that can't be beside one, as in a class of a regular expression.
        own_periods: whether one has no other period than that of its row; otherwise those without
            a last period may have one.
    """

    def __init__(self, tables: Tables, name: str, letters: str, own_periods: bool = False) -> None:
        self._meanings: dict[str, list[tuple[Context, list[str]]]] = {}
        of_kind: dict[str, list[tuple[str, str]]] = {}
        for keys, said, kind in tables.rows("abbreviations_by_kind"):
            of_kind.setdefault(f"{{{kind}}}", []).append((keys, said))
        for index, (first, before, after, words) in enumerate(tables.rows(name)):
            context = Context(tables, before, after)
            for keys, said in of_kind.get(first, [(first, words)]):
                meaning = context, tables.said(name, index, said)
                for key in with_capitals(keys.split("|")):
                    self._meanings.setdefault(key, []).append(meaning)
        self.keys = self._meanings.keys()
        period = "" if own_periods else r"\.|"
        ends = rf"(?:(?<=\.)|{period}(?![{letters}\d]))"
        pattern = rf"(?<![{letters}\d.])(?:{any_key(self.keys)}){ends}"
        self.form = Form(f"{name}.tsv", "aA", pattern, self._words)

    def _words(self, match: re.Match[str]) -> list[str] | None:
        written = match[0] if match[0] in self._meanings else match[0].rstrip(".")
        place = match.string, match.start(), match.end()
        found = (words for context, words in self._meanings[written] if context.fits_text(*place))
        return next(found, None)


def with_capitals(keys: Iterable[str]) -> list[str]:
    """Abbreviations, and those of three characters or more as a notice has them: ``SEC.``"""
    return [
        *dict.fromkeys(one for key in keys for one in (key, key.upper() if len(key) > 2 else key))
    ]


def opens_sentence(word: str, starters: Container[str]) -> bool:
    """Whether a lower-case word often opens a sentence, also contracted: "it's" as "it"."""
    return word in starters or word.partition("'")[0] in starters


def doubled_capitals(said: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Plurals in doubled letters as they are also written: ``ee. uu.`` -> ``EEUU``."""
    capitals = {key.replace(". ", "").strip(".").upper(): words for key, words in said.items()}
    return {key: w for key, w in capitals.items() if re.fullmatch(r"(\w)\1(\w)\2", key)}
