"""States of the United States: in addresses, after cities, after parties and abbreviated."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import follows_capital, previous_word
from dlpo.text.en_us.tables import TABLES, any_of, table, word_list

_CAPITAL_AFTER = late(r" [A-Z]")
_HAVE_NUMBERS = word_list("have numbers")
_STATES = table("states")  # code -> name; what its zip codes begin with
CODES = "|".join(_STATES)
_STATES_OR_WORDS = frozenset(("HI", "ID", "IN", "ME", "OH", "OK", "OR"))
_WORDS_AFTER_COMMAS = ("OK", "HI", "OH", "ME")  # of these: "Yes, OK"
_NO_CITIES = word_list("before openings") | word_list("tags")
_AFTER_CITY = late(r"\b[A-Z][\w'.-]{1,20}, $")
_CITIES = word_list("cities of OK, HI, OH and ME")
_CITY = r"[A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20}){0,2}, "
_IN_CITY = late(rf"(?:\b(?:[Ii]n|[Ff]rom|[Nn]ear|around|outside|via|through) ){_CITY}$")
_STATE_BEFORE = late(rf"{_CITY}[A-Z]{{2}}[;,] (?:(?:and|or) )?{_CITY}$")
_STATE_AFTER = late(rf"^[;,] (?:(?:and|or) )?{_CITY}[A-Z]{{2}}\b")
_WRITTEN_STATES = table("written_states")  # "Calif" -> name; whether it is no other word
OF_LETTERS = "|".join(re.escape(key) for key in _WRITTEN_STATES if "." in key)  # "N.Y"
OF_WORDS = "|".join(key for key in _WRITTEN_STATES if "." not in key)
_OF_PARTY = ("D-", "R-", "I-")
_OFFICE_AFTER = late(
    r"\.? (?:Democrats?|Republicans?|Supreme Court|[A-Z]$"
    r"|(?:Gov|Sen|Rep|Sens|Reps|Atty|Lt|Dist|Sec)\.|(?:Penal|Veh|Civ)\b"
    r"|(?:Civil|Health|Vehicle|Gen|Const|Stat|Code|Rev|Ann)\b\.? ?"
    r"(?:Code|Ann|Stat|Const|Laws|§|Proc|L)|Code §)"
)
_STATE_GOES_ON = late(r"\.?(?:[,;:)-]| [(a-z–—-])")
_PLACE_GOES_ON = late(r"\.?-(?:based|born|bred|area|raised|native|style)\b|\.?,? D\.?C\b")
_OF_UNIVERSITY = late(r"\b(?:Univ\.|Univ|University|U\.|State|Univ\.?,) of $")
_AFTER_ANY_CITY = late(r"\b[A-Z][\w'.-]{2,20}, $")
_OTHER_WORDS = ("Pa", "Miss", "Mo", "Del", "Tex", "Me", "Cal", "Penn")
_JOINED = r"(?:,|,? (?:and|or|&)) "
_NEXT_STATE = late(rf"{_JOINED}({CODES})(?![\w/'-])")
_STATE_JUST_BEFORE = late(rf"(?<![\w/.-])({CODES}){_JOINED}$")
_OTHER_CODE = late(rf"{_JOINED}[A-Z]{{2}}\b")
_MOST_STATES = 60  # of a list
_BEFORE_A_LIST = late(rf"(?i)\b(?:{TABLES.patterns('before lists of states')})[ :]{{1,2}}$")
_AFTER_A_LIST = late(rf" (?:{any_of('after lists of states')})\b")
_CITIES_TOO = {"LA", "NY", "DC"}
_NO_STATES = ({"MA", "MD", "ME", "MS", "PA"}, {"CT", "PA"})  # degrees and jobs, views and the like
_AUTHOR_AFTER = late(r",? (?:\(?\d{4}|&|et al)|, (?:&|and)? ?[A-Z][a-z]+, [A-Z]\.")
NAMES = "|".join(name.title() for name, *_ in _STATES.values())
STATES_KEYS__WORDS_AFTER_COMMAS = "|".join(_STATES.keys() - {*_WORDS_AFTER_COMMAS})
WORDS_AFTER_COMMAS = "|".join(_WORDS_AFTER_COMMAS)


def states_parties_2(match: re.Match[str]) -> list[str] | None:
    return [match[1], *_WRITTEN_STATES[match[2]][0].split()]


def states_7(match: re.Match[str]) -> list[str] | None:
    return _STATES[match[0]][0].split() if follows_capital(match) else None


def state(match: re.Match[str]) -> list[str] | None:
    """Of an address: Austin, TX 78701; but not "Order ID 48213" nor "Yes, OK 12345"."""
    name, zip_codes = _STATES[match[1]]
    first, last = zip_codes.split("-")
    previous = previous_word(match)
    is_own = first <= match[2] <= last and previous.lower() not in _HAVE_NUMBERS
    is_word = match[1] in _STATES_OR_WORDS
    if is_own and (not is_word or previous[:1].isupper()):
        return name.split()
    after_city = _AFTER_CITY.search(text_before(match)) and previous.lower() not in _NO_CITIES
    return name.split() if after_city else None


def written_state(match: re.Match[str]) -> list[str] | None:
    """Calif.; D-Pa., Portland, Ore., Minn.-based, where it may be another word only so."""
    stem = match[0].rstrip(".")
    name, alone = _WRITTEN_STATES[stem]
    before = text_before(match, 60)
    text, end = match.string, match.end()
    ends = match[0] == stem and text.startswith(". ", end)  # and a sentence follows
    previous = previous_word(match).lower()
    goes_on = _PLACE_GOES_ON.match(text, end) or _OFFICE_AFTER.match(text, end)
    if before[-2:] in _OF_PARTY:
        is_state = before[-3:-2] in ("", " ", "(")
    elif _AFTER_ANY_CITY.search(before) and previous not in _NO_CITIES:
        is_state = bool(
            alone
            or stem not in _OTHER_WORDS
            or _IN_CITY.search(before)
            or _STATE_GOES_ON.match(text, end)
        )
    elif ends or (text[end - 1] == "." and _CAPITAL_AFTER.match(text, end) and not goes_on):
        return None
    else:
        is_state = bool(alone or goes_on or _OF_UNIVERSITY.search(before))
    return name.split() if is_state else None


def lone_state(match: re.Match[str]) -> list[str] | None:
    """OK, HI, OH and ME where more than one name before shows that it is no word."""
    before, following = text_before(match, 60), match.string[match.end() : match.end() + 60]
    is_place = (
        match[0] == "ME"
        or _IN_CITY.search(before)
        or _STATE_BEFORE.search(before)
        or _STATE_AFTER.search(following)
        or previous_word(match).lower() in _CITIES
    )
    return _STATES[match[0]][0].split() if is_place and follows_capital(match) else None


def listed_state(match: re.Match[str]) -> list[str] | None:
    """Parts of OK and TX; CA, OR and WA residents; but "the PA and MD", "in TX, OK?"."""
    text, codes = match.string, [match[0]]
    start, end = match.span()
    while len(codes) < _MOST_STATES and (next_one := _NEXT_STATE.match(text, end)):
        codes.append(next_one[1])
        end = next_one.end()
    while len(codes) < _MOST_STATES:
        before = _STATE_JUST_BEFORE.search(text, max(0, start - 10), start)
        if before is None:
            break
        codes.append(before[1])
        start = before.start()
    only_commas = len(codes) == 2 and end - start == len("TX, OK")
    if len(codes) == 1 or only_commas or _OTHER_CODE.match(text, end):
        return None
    if any(others.issuperset(codes) for others in (_STATES_OR_WORDS, _CITIES_TOO, *_NO_STATES)):
        return None
    if match[0] == "LA" and not _CITIES_TOO.isdisjoint({*codes} - {"LA"}):
        return None
    is_place = _BEFORE_A_LIST.search(text, max(0, start - 24), start)
    is_place = is_place or _AFTER_A_LIST.match(text, end)
    return _STATES[match[0]][0].split() if is_place else None


def dotted_state(match: re.Match[str]) -> list[str] | None:
    """Charleston, S.C.; but "Smith, N.C. (2019)" and "Sarah Miller, N.D."."""
    if _AUTHOR_AFTER.match(match.string, match.end()) or not follows_capital(match):
        return None
    if match[0] == "N.D." and not _IN_CITY.search(text_before(match, 60)):
        return None
    return _WRITTEN_STATES[match[0][:-1]][0].split()
