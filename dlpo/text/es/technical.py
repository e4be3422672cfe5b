"""Addresses, versions, telephone numbers, codes and handles -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common import addresses
from dlpo.text.common.forms import digits_in_groups, text_before
from dlpo.text.common.patterns import late
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
from dlpo.text.es.nouns import NOUNS
from dlpo.text.es.numbers import cardinal_words, digit_words
from dlpo.text.es.tables import EXCEPTIONS, any_of, table

_SIGNS = {sign: said.split() for sign, (_, said, _) in table("signs").items() if said}
_NUMBERED = re.compile(r"#[A-Z]{1,4}(?:-\d|(?!20\d\d\b)\d)")  # #MX-2045, #A1B2; but #MX2026
_ORDERED = re.compile(r"(?i)\b(?:pedido|orden|ticket|folio|caso|guía|factura|reserva)(?: es)? $")
_ENGINES = ("V6", "V8", "V10", "V12", "V16")
_OF_ENGINE = late(
    r"(?i)\b(?:motor(?:es)?|bloque|cilindros|camionetas?|autos?|coches?|un)(?: \w{2,12})? $"
)
_INITIAL_AND_NAME = re.compile(  # an initial before a name: consonants that begin no syllable
    r"(?!(?:[bcfgkpt][rl]|dr|[cpstwg]h|ll|ps|s[ckmnpqt]|tz|ts|kn|wr|z[lw]|xc|ng|tv|hb|vl|dz)[a-z])"
    r"([b-df-hj-np-tv-z])([b-df-hj-np-tv-z][a-z]{3,})(?=[\d._]{0,6}(?:@|$))"
)
_HANDLE_PART = re.compile(  # UNAM oficial, LIGA MX, McDonalds
    rf"[A-Z]{{2,}}(?=(?:{any_of('handle ends')})(?![a-z]))|Mc[A-Z][a-z]+|{CAPITAL_PARTS.pattern}"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+")
_NETWORK = late(rf"(?i)\b(?:{any_of('of networks')})\b(?! (?:eléctric|soci|vial))")
_ROAD_BEFORE = re.compile(r"(?i)\b(?:la|carreteras?|autov[ií]as?|autopistas?|nacional|ruta) $")
_IDENTITY_BEFORE = re.compile(
    r"(?i)\b(?:c\.? ?c\.?|cédulas?(?: de \w{4,15})?|nit|rut|dni"
    r"|n[uú]m\.|n\.?[oº°]\.?|población de):? $"
)
_TELEPHONE_BEFORE = re.compile(rf"(?i)\b(?:{any_of('telephones')})\.?:?(?: al?| el| es)?(?: el)? $")
ADDRESSES_MAIL = addresses.MAIL
ADDRESSES_HANDLE = addresses.HANDLE
ADDRESSES_WEB_ANY_OF_TOP_LEVEL = addresses.web(any_of("top level"))
ADDRESSES_FILES_ANY_OF_FILE_ENDINGS = addresses.files(any_of("file endings"))


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
    parts = addresses.parts_of(written)
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


def _is_number(match: re.Match[str]) -> bool:
    """1.020.345.678, which is no network address."""
    groups = match[0].split(".")
    in_threes = re.fullmatch(r"\d{1,3}(?:\.\d{3}){3}", match[0])
    above = in_threes and any(group > "255" for group in groups[1:])
    return bool(above or (in_threes and _IDENTITY_BEFORE.search(text_before(match))))


def mail(match: re.Match[str]) -> list[str]:
    """A mail address or a handle; jgarcia@ and @jgarcia are J. García."""
    written = match[0].lower()
    start = written.startswith("@")
    found = _INITIAL_AND_NAME.match(written, start)
    if found and not is_listed(found[0]) and sayable(found[2]):
        rest = address_words(written[found.start(2) :])
        return [*address_words(written[:start]), *letter_words(found[1]), *rest]
    return address_words(match[0])


def handle(match: re.Match[str]) -> list[str]:
    """@BBVAMexico, @LigaBBVAMX, @SATMX; but @McDonalds, @JUANPEREZ, @juan_perez."""
    name = match[0][1:]
    parts = _HANDLE_PART.findall(name)
    is_acronym = name.isupper() and len(name) <= LONGEST_ACRONYM
    if not name.isalnum() or name.lower() in EXCEPTIONS or not (parts[1:] or is_acronym):
        return mail(match)
    return ["arroba", *(word for part in parts for word in _hashtag_part(part))]


def dotted(match: re.Match[str]) -> list[str] | None:
    """V2.1, the IP 10.0.0.1; "debe empezar con 192.168", the only one with a single point."""
    text, (start, end) = match.string, match.span()
    is_local = match[0].count(".") == 1 and _NETWORK.search(text, max(0, start - 90), end + 40)
    if _THOUSANDS.fullmatch(match[0]) and (NOUNS.after(text, end) or not is_local):
        return None
    first, *rest = match[0].lstrip("vV").split(".")
    words = cardinal_words(first)
    for part in rest:
        words += ["punto", *cardinal_words(part)]
    if match[0] in _ENGINES and _OF_ENGINE.search(text_before(match, 30)):
        return ["uve", *words]
    return ["versión", *words] if match[0][0] in "vV" else words


def telephone_words(written: str) -> list[str]:
    """The digits of each group, with a pause after it."""
    plus = ["más"] * written.lstrip().startswith("+")
    return plus + digits_in_groups(written, digit_words)


def telephone(match: re.Match[str]) -> list[str] | None:
    digits = re.sub(r"\D", "", match[0])
    groups = re.findall(r"\d+", match[0])
    thousands = re.fullmatch(r"[1-9]\d{0,2}(?:([ .])\d{3}){1,6}", match[0].lstrip("+"))
    national = len(digits) == 9 and digits[0] in "6789" and len(groups[0]) == 3  # of Spain
    called = _TELEPHONE_BEFORE.search(text_before(match))
    if len(groups) > 1 and all(map(_YEAR.fullmatch, groups)):
        return None
    of_card = len(groups) == 4 and all(len(group) == 4 for group in groups)
    is_sum = re.fullmatch(r"\+\d{1,3}(?:\.\d{1,3}|(?:\.\d{3}){2})\)?", match[0])  # +1.25
    if (match[0][0] == "+" and not is_sum) or called or of_card:
        return telephone_words(match[0])
    if not 7 <= len(digits) <= 15 or (thousands and not (national and " " in match[0])):
        return None
    return telephone_words(match[0])


def numbered_version(match: re.Match[str]) -> list[str]:
    """GPT-4.5, PM2.5."""
    return [*code_words(match[1]), "punto", *cardinal_words(match[2])]


def code_words(written: str) -> list[str]:
    """Letters and digits mixed, as in A4 and COVID-19; many digits one by one."""
    words: list[str] = []
    for part in re.findall(rf"[{LETTERS}]+|\d+", written):
        if part[0].isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        else:
            words += acronym_words(part) if part.isupper() or len(part) < 3 else [part.lower()]
    return words


def road(match: re.Match[str]) -> list[str] | None:
    """La N-340; but "sala C-201"."""
    if not _ROAD_BEFORE.search(text_before(match, 16)):
        return None
    letters, number = match[0].split("-")
    return [*letter_words(letters), *cardinal_words(number)]


def _account(written: str) -> list[str]:
    return [word for c in written for word in (digit_words(c) if c.isdigit() else letter_words(c))]


def _hashtag_part(part: str) -> list[str]:
    if part.isdigit():
        return cardinal_words(part)
    if part.isupper():
        return acronym_words(part)
    has_vowel = re.search("[aeiouyáéíóú]", part.lower())
    known = [part.lower()] if has_vowel else ABBREVIATION_WORDS.get(f"{part.lower()}.")  # @DrSimi
    return known or letter_words(part)


def hashtag(match: re.Match[str]) -> list[str] | None:
    if _NUMBERED.match(match.string, match.start()) or (
        _ORDERED.search(text_before(match)) and match[0][-1].isdigit()
    ):
        return None
    said = map(_hashtag_part, CAPITAL_PARTS.findall(match[0]))
    said_before = text_before(match, 9).lower().endswith("hashtag ")
    return ["hashtag"] * (not said_before) + [word for words in said for word in words]


def technical_addresses_5(match: re.Match[str]) -> list[str] | None:
    return None if _is_number(match) else address_words(addresses.said_part(match[0]))


def technical_addresses_6(match: re.Match[str]) -> list[str] | None:
    return address_words(match[0])


def technical_addresses_7(match: re.Match[str]) -> list[str] | None:
    return [*_account(match[1]), *digit_words(match[2])]


def technical_codes_5(match: re.Match[str]) -> list[str] | None:
    return telephone_words(match[0])


def technical_codes_6(match: re.Match[str]) -> list[str] | None:
    return _account(match[0])


def technical_codes_9(match: re.Match[str]) -> list[str] | None:
    return [*cardinal_words(match[1]), *letter_words("p")]


def technical_codes_10(match: re.Match[str]) -> list[str] | None:
    return code_words(match[0])
