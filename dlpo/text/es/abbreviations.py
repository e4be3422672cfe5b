"""Abbreviations, acronyms, initials and roman numerals -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import Abbreviations, InContext, doubled_capitals
from dlpo.text.common.forms import capital_parts, text_before
from dlpo.text.common.numbers import roman_value
from dlpo.text.common.tables import any_key
from dlpo.text.es.english import is_listed
from dlpo.text.es.numbers import cardinal_words, ordinal_words
from dlpo.text.es.tables import NOUNS, TABLES, word_list

LETTERS = "A-Za-záéíóúüñçÁÉÍÓÚÜÑÇ"
CAPITAL_PARTS = capital_parts("A-ZÁÉÍÓÚÑÇ", "a-záéíóúüñç")
ABBREVIATION_WORDS = TABLES.words("abbreviations")
ABBREVIATIONS = Abbreviations(TABLES, LETTERS, ends=r"\dºª")
IN_CONTEXT = InContext(TABLES, "abbreviations_in_context", LETTERS)
ACRONYMS = TABLES.words("acronyms") | doubled_capitals(ABBREVIATION_WORDS)
LONGEST_ACRONYM = 6  # letters; a longer word in capitals is shouted
_NAMES = TABLES.words("letters")
_BOOKS = TABLES.words("books")
_ONSET = r"(?:[bcfgpt][rl]|dr|ch|ll|qu|[bcdfghjklmnñpqrstvwxyz])"
_SYLLABLES = re.compile(
    rf"{_ONSET}?(?:[aeiou]{{1,2}}(?>[bdfglmnprstxz]?{_ONSET}(?=[aeiou])))*"
    r"[aeiou]{1,2}[bdfglmnprstxyz]?"
)
BOOK = any_key(_BOOKS.keys() - (word_list("numbered books") - {"Jn"}))
_WORD = re.compile(rf"(?:(?:,| [yoe]) [IVX]{{1,5}}\b){{0,6}}\s{{1,2}}([{LETTERS}]{{2,40}})")


def letter_words(letters: str) -> list[str]:
    """The names of letters; other characters are skipped.

    A capital, "De", says that it isn't the small word, which has no stress.
    """
    return [word for letter in letters.lower() for word in _NAMES.get(letter, [])]


def acronym_words(written: str) -> list[str]:
    """Capitals -> a word where one can say it, otherwise the names of the letters."""
    stem = written.removesuffix("s") if written[:-1].isupper() else written
    if known := ACRONYMS.get(written) or ACRONYMS.get(stem):
        return known
    is_name = len(stem) > 3 and is_listed(stem.lower())  # TRUMP
    is_word = is_name or (len(stem) > 2 and sayable(stem))
    return [stem.lower()] if is_word else letter_words(stem)


def sayable(written: str) -> bool:
    """Whether its letters make syllables that Spanish has, with c and k at the end of a name."""
    word = written.lower()
    return _SYLLABLES.fullmatch(word.rstrip("ck") if len(word) > 3 else word) is not None


def counted_words(number: str, gender: str = "m") -> list[str]:
    """The number of a century, a king or a queen, who are counted up to the tenth."""
    return ordinal_words(number, gender) if int(number) <= 10 else cardinal_words(number)


def counted_by_roman(match: re.Match[str]) -> list[str] | None:
    """La II Guerra Mundial, el XXV aniversario, los I y II Congresos."""
    value = roman_value(match[0])
    following = _WORD.match(match.string, match.end())
    if not (value and following) or following[1].isupper():
        return None
    noun, before = following[1].lower(), text_before(match, 12).lower()
    gender = "f" if re.search(r"\blas? ", before) else NOUNS.gender(noun)
    words = ordinal_words(value, gender, short=gender == "m" and not noun.endswith("s"))
    return [word + "s" for word in words] if noun.endswith("s") else words
