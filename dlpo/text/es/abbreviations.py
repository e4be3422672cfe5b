"""Abbreviations, acronyms, initials and roman numerals, and what they are in their context."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms, text_before
from dlpo.text.common.roman import ROMAN, roman_value
from dlpo.text.es.nouns import gender_of
from dlpo.text.es.numbers import cardinal_words, ordinal_words
from dlpo.text.es.tables import table, word_list

LETTERS = "A-Za-záéíóúüñÁÉÍÓÚÜÑ"
ABBREVIATIONS = {written: said.split() for written, (said,) in table("abbreviations").items()}
ACRONYMS = {written: said.split() for written, (said,) in table("acronyms").items()}
# Plurals are doubled letters, which are also written without periods: EE. UU., EEUU.
_DOUBLED = {key.replace(". ", "").strip(".").upper(): key for key in ABBREVIATIONS}
ACRONYMS |= {
    capitals: ABBREVIATIONS[key]
    for capitals, key in _DOUBLED.items()
    if re.fullmatch(r"(\w)\1(\w)\2", capitals)
}
_NAMES = {letter: name.split() for letter, (name,) in table("letters").items()}
# These are said only before a number or a name: cap. 3, c. Mayor.
_BEFORE_NUMBERS = word_list("abbreviations before numbers")
_BEFORE_NAMES = word_list("abbreviations before names")
_ONSET = r"(?:[bcfgpt][rl]|dr|ch|ll|qu|[bcdfghjklmnñpqrstvwxyz])"
_SYLLABLES = re.compile(
    rf"{_ONSET}?(?:[aeiou]{{1,2}}[bdfglmnprstxz]?{_ONSET})*[aeiou]{{1,2}}[bdfglmnprstxz]?"
)
LONGEST_ACRONYM = 6  # letters; a longer word in capitals is shouted
_NUMBERED_THINGS = word_list("numbered things")
_REGNAL_NAMES, _FEMALE_NAMES = word_list("regnal names"), word_list("feminine names")
_PREVIOUS_WORD = re.compile(rf"([{LETTERS}]{{1,40}})\.?\s{{1,2}}$")
_NEXT_WORD = re.compile(rf"\s{{1,2}}([{LETTERS}]{{2,40}})")
_CENTURY = frozenset({"siglo", "siglos", "s", "ss"})
_CENTURIES = re.compile(r"(?i)\bsiglos?\s[ivxlcdm]{1,6}\s(?:y|e|a|al|o|u)\s$")
_ARTICLES = frozenset({"el", "la", "del", "las", "los"})


def spelled(letters: str) -> list[str]:
    """The names of letters; other characters are skipped."""
    return [word for letter in letters.lower() for word in _NAMES.get(letter, [])]


def acronym_words(written: str) -> list[str]:
    """Capitals -> a word where one can say it, otherwise the names of the letters."""
    stem = written.removesuffix("s") if written[-1:] == "s" else written
    if known := ACRONYMS.get(written) or ACRONYMS.get(stem):
        return known
    return [stem.lower()] if len(stem) > 2 and sayable(stem) else spelled(stem)


def sayable(written: str) -> bool:
    """Whether its letters make syllables that Spanish has."""
    return _SYLLABLES.fullmatch(written.lower()) is not None


def _previous_word(match: re.Match[str]) -> str:
    found = _PREVIOUS_WORD.search(text_before(match, 42))
    return found[1] if found else ""


def _abbreviation(match: re.Match[str]) -> list[str] | None:
    key = re.sub(rf"(?<=\.)\s?(?=[{LETTERS}])", " ", match[0].lower()).strip()
    found = ABBREVIATIONS.get(key)
    if found is None:
        return None
    following = match.string[match.end() : match.end() + 3].lstrip()
    before_number, before_name = following[:1].isdigit(), following[:1].isupper()
    before_number |= re.match(r"[IVXL]+\b", following) is not None
    if key in _BEFORE_NUMBERS and key in _BEFORE_NAMES:
        return found if before_number or before_name else None
    if key in _BEFORE_NUMBERS:
        return found if before_number else None
    return found if key not in _BEFORE_NAMES or before_name else None


def _initials(match: re.Match[str]) -> list[str]:
    return spelled(match[0])


def _roman(match: re.Match[str]) -> list[str] | None:
    value, previous = roman_value(match[0]), _previous_word(match)
    if value is None:
        return None
    lower, cardinal = previous.lower(), cardinal_words(str(value))
    if lower in _CENTURY or _CENTURIES.search(text_before(match, 30)):
        return ordinal_words(value) if value <= 10 else cardinal
    if lower in _NUMBERED_THINGS:
        return cardinal
    if lower in _REGNAL_NAMES:
        gender = "f" if lower.endswith("a") or lower in _FEMALE_NAMES else "m"
        return ordinal_words(value, gender) if value <= 10 else cardinal
    if match[0] in ACRONYMS or (len(match[0]) < 4 and not set(match[0]) <= set("IVX")):
        return None  # CD, DC
    article = lower in _ARTICLES
    if previous[:1].isupper() and len(match[0]) > 1 and not article:  # Rocky IV
        return cardinal
    following = _NEXT_WORD.match(match.string, match.end())
    if following and not following[1].isupper() and (len(match[0]) > 1 or article):
        noun = following[1].lower()
        gender = gender_of(noun)
        words = ordinal_words(value, gender, short=gender == "m" and not noun.endswith("s"))
        return [word + "s" for word in words] if noun.endswith("s") else words
    return cardinal if len(match[0]) > 2 else None


_KEYS = sorted(ABBREVIATIONS, key=len, reverse=True)
_PATTERN = "|".join(re.escape(key).replace(r"\ ", r"\s?").replace(" ", r"\s?") for key in _KEYS)
FORMS: Forms = (
    ("aA", rf"(?i:{_PATTERN})(?![{LETTERS}\dºª])", _abbreviation),
    ("A", rf"\b(?=[MDCLXVI]){ROMAN}(?![{LETTERS}\d'-])", _roman),
    ("A", rf"\b(?:[A-ZÑ]\.\s?){{1,6}}(?=[{LETTERS}]|\W|$)(?<!\s)", _initials),
)
