"""Numbers that name a thing, such as an order or a telephone; they are said digit by digit."""

from __future__ import annotations

import re

from dlpo.text.common.forms import (
    digits_in_groups,
    only_after,
    text_before,
)
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import cardinal_words, code_words, digit_words
from dlpo.text.en_us.tables import TABLES, any_of, table, word_list

# What an agent reads a number of, and what may be between it and the number.
_LINK = r"(?:(?:,? which)?(?: is| was|'s|:| -|,)? ?#?| \(|\? (?:it's |it is )?)$"
_NAMED = late(
    rf"(?i)\b(?:{any_of('have numbers')})s?\.?"
    rf"(?: ?#| (?:number|numbers|no\.?|nos\.?|id|code|num\.?)(?: as)?)?{_LINK}"
)
_NUMBER = late(r"(?i)\bnumbers?(?:(?: is| was|:| -|,)? ?#?| \()$")
_ENDING = late(r"(?i)\b(?:ending|ends) (?:in|with) $")
_RANGE = late(r"(\d{1,3})-(\d{1,3})")  # of reference
_REFERENCE_BEFORE = late(r"(?i)\bref\.?:? $")
_COUNTED = late(r" [a-z]{2,20}\b")
_GOODS = word_list("are ordered by number")
_MOST_COUNTED = 4  # digits of what is counted without a comma
_AFTER_NAME = word_list("no nouns")
_YEAR = late(r"20[1-4]\d")  # in INV-2026-0042
_FREE = late(r"1-800-\d{3}-\d{4}")  # the form of telephones says it
_BEFORE_EXTENSION = late(
    r"(?i)(?:\d{4},? |\b(?:(?:me|us|him|her|them|desk|office) at|dial|call|phone:?|tel\.?:?) "
    r"|@[\w.-]{3,40},? (?:or|and) (?:at )?)$"
)
_PERSON_BEFORE = late(r"[a-z] [A-Z][a-z]{1,20}, $")
_AFTER_EXTENSION = late(r"[^\w\s]|$| (?:or|and|for|to|if|with|by|is)\b")
_CARD_BEFORE = late(rf"(?i)\b(?:{TABLES.patterns('before masked numbers')}):? [#(]?$")
_QUANTITY_BEFORE = late(r"(?i)(?:\b(?:limit|max\w{0,5}|up to|value|than|equals?)(?: is| of)?|=) $")
_PASSWORD_BEFORE = late(r"(?i)\b(?:passwords?|passcodes?|passphrase|pwd)\b[^.;]{0,24}$")
_SIGN_NAMES = {sign: said for sign, (*_, said) in table("signs").items()}
_AIRLINES = word_list("airlines")
_COURSES = TABLES.words("courses")
_GROUP = late(r"[A-Za-z]|\d+")
AIRLINES = any_key(_AIRLINES)
identifiers_12 = only_after(_PASSWORD_BEFORE, "pound")
COURSES = any_key(_COURSES)


def said_one_by_one(written: str) -> list[str]:
    """Letters and digits by their names, with a pause after each group of digits but the last."""
    words: list[str] = []
    for group in _GROUP.findall(written):
        if group.isalpha():
            words.append(group.upper())
        elif _YEAR.fullmatch(group) and words and f"{group}-" in written:
            words += code_words(group)
        else:
            *digits, last = digit_words(group)
            words += [*digits, f"{last}," if len(group) > 2 else last]
    return [*words[:-1], words[-1].rstrip(",")]


def is_named(match: re.Match[str]) -> bool:
    """Whether a number follows what it is the number of: "order 4471", not "order 4471 units"."""
    before = text_before(match, 40)
    if before.endswith("-") and not before.endswith(" -"):  # inside of something longer
        return False
    only_digits = match[0].replace(" ", "").isdigit()
    named = _NAMED.search(before) or (_NUMBER if only_digits else _ENDING).search(before)
    if not named:
        return False
    counted = _COUNTED.match(match.string, match.end())
    if counted is None or counted[0].strip() in _AFTER_NAME:
        return True
    return len(match[0]) > _MOST_COUNTED and counted[0].strip() not in _GOODS


def code(match: re.Match[str]) -> list[str] | None:
    written = match[0]
    digits = sum(one.isdigit() for one in written)
    if (
        digits < 3
        or _FREE.fullmatch(written)
        or re.search("[A-Z]{4}", written)
        or (written.isdigit() and len(written) < 4)
        or not is_named(match)
    ):
        return None
    pair = _RANGE.fullmatch(written)
    if pair and int(pair[1]) < int(pair[2]) and _REFERENCE_BEFORE.search(text_before(match)):
        return None
    return said_one_by_one(written)


def telephone(match: re.Match[str]) -> list[str]:
    words = ["plus"] if match[0].startswith("+") else []
    return words + digits_in_groups(match[0], digit_words)


def episode(match: re.Match[str]) -> list[str]:
    season, episode = (cardinal_words(str(int(each))) for each in match.groups())
    return ["season", *season, "episode", *episode]


def internet(match: re.Match[str]) -> list[str]:
    words: list[str] = []
    for part in re.findall(r":|[a-f]|\d+", match[0].lower()):
        if part == ":":
            words.append("colon")
        elif part.isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        else:
            words.append(part.upper())
    return words


def extension(match: re.Match[str]) -> list[str] | None:
    """Reach me at x4410, or Ana Cruz, x514; but "at x100 magnification"."""
    before = text_before(match)
    of_person = _AFTER_EXTENSION.match(match.string, match.end()) and _PERSON_BEFORE.search(before)
    if not of_person and not _BEFORE_EXTENSION.search(before):
        return None
    return ["extension", *digit_words(match[1])]


def two_versions(match: re.Match[str]) -> list[str] | None:
    """Windows 10/11; but the iPhone 9/12 launch."""
    if int(match[2]) != int(match[1]) + 1:
        return None
    return [*cardinal_words(match[1]), "and", *cardinal_words(match[2])]


def listed_sign(match: re.Match[str]) -> list[str]:
    """One of the signs !, @, # or $."""
    said = {"&": "ampersand", "#": "pound"}.get(match[0], _SIGN_NAMES[match[0]])
    return [*said.split(), *["sign"] * (match[0] in "@#$%")]


def ten_digits(match: re.Match[str]) -> list[str] | None:
    if _QUANTITY_BEFORE.search(text_before(match)):
        return None
    first = ["one"] if match[0][0] == "1" else []
    return first + digits_in_groups(" ".join(match.groups()), digit_words)


def flight(match: re.Match[str]) -> list[str]:
    """AA2208."""
    return [*match[1], *code_words(match[2])]


def identifiers_3(match: re.Match[str]) -> list[str] | None:
    return said_one_by_one(match[0])


def identifiers_4(match: re.Match[str]) -> list[str] | None:
    return said_one_by_one(match[0])


def identifiers_5(match: re.Match[str]) -> list[str] | None:
    return digit_words(match[1]) if _CARD_BEFORE.search(text_before(match)) else None


def identifiers_10(match: re.Match[str]) -> list[str] | None:
    return None if is_named(match) else [match[1], *code_words(match[2])]


def identifiers_16(match: re.Match[str]) -> list[str] | None:
    return said_one_by_one(match[0])


def identifiers_18(match: re.Match[str]) -> list[str] | None:
    return _COURSES[match[0]]


def identifiers_23(match: re.Match[str]) -> list[str] | None:
    return said_one_by_one(match[0])
