"""Numbers that name a thing, such as an order or a telephone; they are said digit by digit."""

from __future__ import annotations

import re

from dlpo.text.common.forms import (
    Forms,
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


def _code(match: re.Match[str]) -> list[str] | None:
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


def _telephone(match: re.Match[str]) -> list[str]:
    words = ["plus"] if match[0].startswith("+") else []
    return words + digits_in_groups(match[0], digit_words)


def _episode(match: re.Match[str]) -> list[str]:
    season, episode = (cardinal_words(str(int(each))) for each in match.groups())
    return ["season", *season, "episode", *episode]


def _internet(match: re.Match[str]) -> list[str]:
    words: list[str] = []
    for part in re.findall(r":|[a-f]|\d+", match[0].lower()):
        if part == ":":
            words.append("colon")
        elif part.isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        else:
            words.append(part.upper())
    return words


def _extension(match: re.Match[str]) -> list[str] | None:
    """Reach me at x4410, or Ana Cruz, x514; but "at x100 magnification"."""
    before = text_before(match)
    of_person = _AFTER_EXTENSION.match(match.string, match.end()) and _PERSON_BEFORE.search(before)
    if not of_person and not _BEFORE_EXTENSION.search(before):
        return None
    return ["extension", *digit_words(match[1])]


def _two_versions(match: re.Match[str]) -> list[str] | None:
    """Windows 10/11; but the iPhone 9/12 launch."""
    if int(match[2]) != int(match[1]) + 1:
        return None
    return [*cardinal_words(match[1]), "and", *cardinal_words(match[2])]


def _listed_sign(match: re.Match[str]) -> list[str]:
    """One of the signs !, @, # or $."""
    said = {"&": "ampersand", "#": "pound"}.get(match[0], _SIGN_NAMES[match[0]])
    return [*said.split(), *["sign"] * (match[0] in "@#$%")]


def _ten_digits(match: re.Match[str]) -> list[str] | None:
    if _QUANTITY_BEFORE.search(text_before(match)):
        return None
    first = ["one"] if match[0][0] == "1" else []
    return first + digits_in_groups(" ".join(match.groups()), digit_words)


def _flight(match: re.Match[str]) -> list[str]:
    """AA2208."""
    return [*match[1], *code_words(match[2])]


FORMS: Forms = (
    (
        "d",  # of a package
        r"(?<![\w.,$-])(?!(?:(?:19|20)\d\d ){2})\d{4}(?: \d{4}){2,5}(?: \d{1,4})?(?![\w-]|[.,]\d)",
        _telephone,
    ),
    (
        "A0",  # a British or an Irish postcode
        r"\b[A-Z]{1,2}\d[A-Z\d]? \d(?!(?:[KMGT]B|K[MG]|M[GL]|[AP]M|[NR]D|ST|TH|HZ)\b)[A-Z]{2}\b"
        r"|\b[AC-FHKNPRTV-Y]\d[\dW] (?=[A-Z]*\d)(?=\d*[A-Z])[\dAC-FHKNPRTV-Y]{4}\b",
        lambda match: said_one_by_one(match[0]),
    ),
    (
        "Ad0",  # 4471 is your PIN, G-582013 is your Google verification code
        r"(?<![\w.,$£€-])(?:[A-Z]{1,3}-)?\d{4,8}"
        r"(?= is (?:your|the) (?:[\w-]{2,20} ){0,3}(?:code|passcode|password|PIN|pin|OTP|otp)\b)"
        r"|(?<=\b[Uu]se )\d[\d-]{2,8}\d"
        r"(?= (?:to (?:log|sign|verify|confirm|reset|unlock)|as your (?:[\w-]{2,20} ){0,3}"
        r"(?:code|passcode|password|pass|PIN|pin|OTP|otp|key|token|login|username|number|id|ID))\b)",
        lambda match: said_one_by_one(match[0]),
    ),
    (
        "aA-0",
        r"(?<![\w*])(?:(?:[xX*]{2,4}-){0,3}[xX]{1,12}|\*{1,3})-?(\d{4})(?![\w-]|[.,]\d)",
        lambda match: digit_words(match[1]) if _CARD_BEFORE.search(text_before(match)) else None,
    ),
    ("d", r"(?<=\bRx )\d{5,10}\b", lambda match: digit_words(match[0])),
    (
        "d",
        r"(?<![\w.,-])\d{5}(?= (?:ZIP|zip|Zip)(?: code)?\b"
        r"(?! (?:codes|files?|ties?|lines?|folders?|archives?)\b))",
        lambda match: digit_words(match[0]),
    ),
    (
        "d",  # a telephone number without separators
        r"(?<![\w.,$£€-])(?:1[ -]?)?([2-9]\d{2})([2-9]\d{2})(\d{4})"
        r"(?![\w-]|[.,]\d|\s?%|\s(?:people|percent|[a-z]{2,20}s)\b)"
        r"(?<!000)(?<!2147483647)(?<!4294967295)",
        _ten_digits,
    ),
    (
        "A0",  # Flight AS 305, Phoenix (WN 418)
        rf"(?:(?<=[Ff]light )|(?<=[Ff]lights )|(?<=[a-z] \())({any_key(_AIRLINES)}) (\d{{3,4}})"
        r"(?=[.,;:)]|\s?$| [a-z])(?! [a-z]{2,20}s\b)",
        _flight,
    ),
    (
        "A0",  # model A2141; but "order A2141", "the A6400"
        r"(?<![\w.-])([A-Z])(\d{4})(?<!00)(?![\w-]|[.,]\d)",
        lambda match: None if is_named(match) else [match[1], *code_words(match[2])],
    ),
    (
        "d",
        r"\b911(?= (?:GT\d|Turbo|Carrera|Targa|Dakar|Speedster)\b)|(?<=\b[Pp]orsche's )911\b",
        "nine eleven",
    ),
    (
        "-",  # Passcode Xk9#42
        r"(?<=[A-Za-z\d])#(?=[A-Za-z\d])",
        only_after(_PASSWORD_BEFORE, "pound"),
    ),
    (
        "-",  # such as !, @, # or $
        r"(?<![\w!@#$%^&*.?)])(?<!\d )[!@#$%^&*](?=(?:,|,? or|,? and) [!@#$%^&*](?![\w+*]| of\b))"
        r"|(?:(?<=\W[!@#$%^&*], )|(?<=\W[!@#$%^&*] or )|(?<=\W[!@#$%^&*] and )"
        r"|(?<=\W[!@#$%^&*], or )|(?<=\W[!@#$%^&*], and ))"
        r"(?:[!@#$%^*]|&(?! (?!or\b|and\b)\w))(?![\w+*]| of\b)",
        _listed_sign,
    ),
    (
        "-",
        r"(?<=[\s(])(?:\.{2,3}|…)(?!(?:19|20)\d\d)(\d{4})\b(?![.,]\d)",
        lambda match: digit_words(match[1]),
    ),
    (
        "d",
        r"(?:(?<=\bWindows )|(?<=\bWin )|(?<=\biOS )|(?<=\bmacOS )|(?<=\bAndroid )|(?<=\biPhone ))"
        r"(\d{1,2})/(\d{1,2})\b(?!/)",
        _two_versions,
    ),
    ("A0", r"(?<=#)[A-Z]{1,3}-?\d{4,8}(?![\w-]|[.,/]\d)", lambda match: said_one_by_one(match[0])),
    ("a0", r"(?<![\w.])x(\d{3,5})\b(?! ?(?:\d|zoom|mag|speed|faster|more)|\.\d)", _extension),
    (
        "A0",
        rf"\b(?:{any_key(_COURSES)})(?=\s\d{{3,4}}[A-Z]?\b)",
        lambda match: _COURSES[match[0]],
    ),
    ("A0", r"\bS(\d{1,2})\s?E(\d{1,3})\b", _episode),
    (
        "aAd-0",
        r"(?<![\w:])(?=[0-9a-fA-F:]{0,40}::|(?:[0-9a-fA-F]{1,4}:){7})(?=[\w:]*\d)"
        r"[0-9a-fA-F]{0,4}(?:::?[0-9a-fA-F]{1,4}){1,7}(?![\w:])",
        _internet,
    ),
    (
        "d",
        r"(?<![\w.-])(?:97[89][- ]\d{1,5}[- ]\d{1,7}[- ]\d{1,7}[- ]\d"
        r"|\d{3}-\d{2}-\d{4}|\d{5}-\d{4}|\d{3}-\d{7}-\d{7})(?![\w-])",
        _telephone,
    ),
    (
        "d-",
        r"(?<![\w.-])(?:\+\d{1,3}[ -]?)?\(0?\d{1,4}\)(?:[ -]?\d{2,4}){2,4}(?![\w-])"
        r"|(?<![\w.,-])(?!0\d-[0-3]\d-(?:19|20)\d\d\b)\+?0\d{1,4}(?:[ -]\d{2,4}){2,5}(?![\w-])"
        r"|(?<![\w.-])1[3-9]\d[ -]\d{4}[ -]\d{4}(?![\w-])",
        _telephone,
    ),
    (
        "A",  # of a bank account; SWIFT CHASUS33
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){3,7}(?: ?[A-Z\d]{1,3})?(?!\w)"
        r"|(?:(?<=SWIFT )|(?<=IFT: )|(?<=BIC )|(?<=BIC: )"
        r"|(?<=IFT code )|(?<=IFT code: )|(?<=IFT code is )|(?<=BIC code )|(?<=BIC code: ))"
        rf"[A-Z]{{4}}(?:{any_of('codes of countries')})[A-Z\d]{{2}}(?:[A-Z\d]{{3}})?\b",
        lambda match: said_one_by_one(match[0]),
    ),
    (
        "Ad0",
        r"(?<![\w.$£€])(?:(?!NOW|NO |BOX|AND|THE|FOR|ALL|TO )[A-Z]{2,3} (?=\d{3}[ -]\d{3}))?"
        r"[A-Z]{0,4}(?<!\d)-?\d[\dA-Z]{0,20}(?:[ -]\d{2,12}|-[\dA-Z]{1,12}){0,7}"
        r"(?![\w%]|[.,]\d|:\d|/\w)",
        _code,
    ),
)
