"""Addresses, versions, telephone numbers, codes and handles -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common import addresses
from dlpo.text.common.forms import digits_in_groups
from dlpo.text.es.abbreviations import (
    ABBREVIATION_WORDS,
    CAPITAL_PARTS,
    LETTERS,
    LONGEST_ACRONYM,
    acronym_words,
    letter_words,
    sayable,
)
from dlpo.text.es.english import is_listed
from dlpo.text.es.numbers import cardinal_words, digit_words
from dlpo.text.es.tables import EXCEPTIONS, any_of, table

_SIGNS = {sign: said.split() for sign, (_, said, _) in table("signs").items() if said}
_KEYS = {"*": ["asterisco"], "#": ["numeral"]}
_INITIAL_AND_NAME = re.compile(  # an initial before a name: consonants that begin no syllable
    r"(?!(?:[bcfgkpt][rl]|dr|[cpstwg]h|ll|ps|s[ckmnpqt]|tz|ts|kn|wr|z[lw]|xc|ng|tv|hb|vl|dz)[a-z])"
    r"([b-df-hj-np-tv-z])([b-df-hj-np-tv-z][a-z]{3,40})(?=[\d._]{0,6}(?:@|$))"
)
_HANDLE_PART = re.compile(  # UNAM oficial, LIGA MX, McDonalds
    rf"[A-Z]{{2,}}(?=(?:{any_of('handle ends')})(?![a-z]))|Mc[A-Z][a-z]+|{CAPITAL_PARTS.pattern}"
)
FILES = addresses.files(any_of("file endings"))


def _part(letters: str, last: bool) -> list[str]:
    """A run of letters in an address: a word, or its letters where one can't say it."""
    if letters == "www":
        return ["triple", "doble", "U"]
    if len(letters) == 2 and last:  # a country: punto es, punto eme equis
        return [letters] if letters == "es" else letter_words(letters)
    has_vowel = re.search("[aeiouáéíóú]", letters)
    return [letters] if has_vowel and len(letters) > 1 else letter_words(letters)


def address_words(written: str) -> list[str]:
    """The words of an address or a path with its signs."""
    parts = addresses.PARTS.findall(written)
    host_end = next((i for i, part in enumerate(parts) if part == "/"), len(parts))
    words: list[str] = []
    for index, part in enumerate(parts):
        if part[0].isalpha():
            after_dot = 0 < index < host_end and parts[index - 1] == "."
            words += _part(part.lower(), after_dot)
        elif part[0].isdigit():
            words += cardinal_words(part) if len(part) < 4 else digit_words(part)
        else:
            words += _SIGNS.get(part, [])
    return words


def web_words(written: str) -> list[str]:
    """An address without its scheme and query."""
    return address_words(addresses.said_part(written))


def mail_words(written: str) -> list[str]:
    """A mail address or a handle; jgarcia@ and @jgarcia are J. García."""
    lower = written.lower()
    start = lower.startswith("@")
    found = _INITIAL_AND_NAME.match(lower, start)
    if found and not is_listed(found[0]) and sayable(found[2]):
        rest = address_words(lower[found.start(2) :])
        return [*address_words(lower[:start]), *letter_words(found[1]), *rest]
    return address_words(written)


def handle(match: re.Match[str]) -> list[str]:
    """@BBVAMexico, @LigaBBVAMX, @SATMX; but @McDonalds, @JUANPEREZ, @juan_perez."""
    name = match[0][1:]
    parts = _HANDLE_PART.findall(name)
    is_acronym = name.isupper() and len(name) <= LONGEST_ACRONYM
    if not name.isalnum() or name.lower() in EXCEPTIONS or not (parts[1:] or is_acronym):
        return mail_words(match[0])
    return ["arroba", *(word for part in parts for word in _hashtag_part(part))]


def dotted_words(written: str) -> list[str]:
    """2.1 of a version, 10.0.0.1 of a network."""
    first, *rest = written.split(".")
    return [*cardinal_words(first), *(w for part in rest for w in ("punto", *cardinal_words(part)))]


def telephone_words(written: str) -> list[str]:
    """The digits of each group, with a pause after it."""
    plus = ["más"] * written.lstrip().startswith("+")
    return plus + digits_in_groups(written, digit_words)


def code_words(written: str) -> list[str]:
    """Letters and digits mixed, as in A4 and COVID-19; many digits one by one."""
    words: list[str] = []
    for part in re.findall(rf"[{LETTERS}]+|\d+", written):
        if part[0].isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        else:
            words += acronym_words(part) if part.isupper() or len(part) < 3 else [part.lower()]
    return words


def account_words(written: str) -> list[str]:
    """Letters, digits and the keys of a telephone, ``*`` and ``#``, one by one."""
    return [
        word for one in written for word in _KEYS.get(one) or digit_words(one) or letter_words(one)
    ]


def _hashtag_part(part: str) -> list[str]:
    if part.isdigit():
        return cardinal_words(part)
    if part.isupper():
        return acronym_words(part)
    has_vowel = re.search("[aeiouyáéíóú]", part.lower())
    known = [part.lower()] if has_vowel else ABBREVIATION_WORDS.get(f"{part.lower()}.")  # @DrSimi
    return known or letter_words(part)


def hashtag_words(written: str) -> list[str]:
    """BuenFin2024."""
    return [word for part in CAPITAL_PARTS.findall(written) for word in _hashtag_part(part)]
