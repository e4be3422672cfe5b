"""Abbreviations and initials, and the words they abbreviate in context."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import InContext
from dlpo.text.common.forms import only_after, text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import (
    INITIAL,
    follows_capital,
    name_follows,
    previous_word,
)
from dlpo.text.en_us.numbers import grouped_words
from dlpo.text.en_us.tables import TABLES, any_of, word_list
from dlpo.text.en_us.technical import term_words

# Keyed without a period if they are expanded anywhere, and with it if only where it is written,
# since they are also words or parts of words.
ABBREVIATIONS = TABLES.words("abbreviations")
IN_CONTEXT = InContext(
    TABLES, "abbreviations_in_context", "A-Za-z'", own_periods=True, regular=True
)
_LAND_AFTER = late(r" (?:lot|parcel|farm|property|site|ranch|tract|estate|plot)\b")
_NUMBERED_STREET = late(r"\d(?:st|nd|rd|th)? $")
_BEFORE_SAINTS = word_list("before French saints")
_LETTERED_THINGS = word_list("lettered things")
_NO_PERSON_BEFORE = late(r"(?:\d|\b[Ss]oc\.|\b[Ss]ocial|\b[Tt]he) $")
_NO_PERSON_AFTER = late(
    r" (?:Hours?|Garage|Deposit|Number|Rest|Space|Supplies|Admin|One|Two|Three|Four|Five|Six|Seven"
    r"|Eight|Nine|Ten)\b"
)
_BEFORE_MOMENTS = ("a", "one", "half", "quick", "few", "every", "the", "per")
_TWO_INITIALS = late(r"\s?[A-Z]\.")
_BEFORE_PRONOUNS = ("and", "or", "than", "am", "was", "is", "do", "did", "can", "will", "have")
_BEFORE_OBJECTS = ("for", "from", "like", "of", "than", "to", "via", "with")
_TO_SOMEBODY = late(r"(?i)\b(?:according|thanks|due|married|next) to $")
_AFTER_OBJECT = late(  # not "That was for D. Doctors said so"
    r"(?: [A-Z][\w'-]{1,20}){1,3}(?:[.,;:!?)\"-]|$| (?:about|after|and|as|at|because|before|by"
    r"|during|for|from|if|in|last|of|on|or|that|this|to|when|while|who|with)\b)"
)
_NO_NAMES = late(  # of these a letter is no initial: "from A to B. Traffic", "divide by N. Results"
    r"\b(?:(?!I\b)[A-Z]\d{0,2},? [a-z]{2,7}"
    r"|(?:start|begin|end|stand|switch|chang|mov|rhym|go|turn|jump|skip|clos)(?:e?s|e?d|ing|e)?"
    r" (?:with|to|for|from|by)|(?:went|next|set|up|down|back|equal|over|begun) (?:to|with|from)"
    r"|(?:[Dd]ivid|[Mm]ultipl|replac|increas|index|denot|bound|follow|shift)\w{1,3} (?:by|with)"
    r"|(?:key|grade|average|score|mark|level|type|value|letter|rating|pitch|note|chord|group) of) $"
)
_ARTIST_BEFORE = late(r"(?:\b[A-Z][\w'.!$-]{0,20}\)?|[(\[]|[a-z]\")[ ]?$")
_NUMERAL = late(r"\s?[\dIVX]")
_NUMBER_AFTER = late(r"\s?(?:§|\d|[IVX]+\b)")
_CODE = late(r"\s#?[A-Z]{1,5}-?\d")
_GIVEN_NAMES = word_list("given names")
_BEFORE_INITIALS = word_list("before initials")
_SPECIES = late(rf"\s(?:{any_of('species')})\b")
_HAVE_CODES = word_list("have numbers") | word_list("have codes")
_BOOKS = TABLES.words("books")
# An abbreviation -> the names of contexts, and its words in them.
_SAID_BEFORE: dict[str, list[tuple[str, list[str]]]] = {}
_SAID_AFTER: dict[str, list[tuple[str, list[str]]]] = {}
for _said, _table in ((_SAID_BEFORE, "abbreviations_before"), (_SAID_AFTER, "abbreviations_after")):
    for _key, _context, _words in TABLES.rows(_table):
        _said.setdefault(_key, []).append((_context, _words.split()))
_PRECEDED_BY, _FOLLOWED_BY = (
    {name: late(TABLES.with_lists(one)) for name, at, one in TABLES.rows("contexts") if at == where}
    for where in ("before", "after")
)
_HOUSE_BEFORE = late(
    r"\b\d{1,5} (?:[NSEW]{1,2}\.? |North |South |East |West )?(?:[A-Z][a-z']{1,20} ){1,3}$"
)
_SMALL_ROAD_BEFORE = late(r"\b\d{1,5} (?:[a-z]{2,20} ){1,2}$")
_PRICE_BEFORE = late(r"[$£€]\s?\d[\d.,]{0,9} ?$")
_TWO_AFTER = late(
    rf" (?!(?i:{TABLES.patterns('black and white')})\b)(?:the|these|those|you|us|them|him|her|me|my"
    r"|your|our|their|both|all|two|each|people|children|men|women|[$£€]?\d|[A-Z]|[a-z]{3,20}[^s\W]s\b"
    r"|[a-z]{2,16} (?:and|&|or) )"
)
abbreviations_7 = only_after(_PRICE_BEFORE, "per person", 16)


def _is_initial(match: re.Match[str], previous: str) -> bool:
    """Whether a letter begins a name: "written by M. Johnson"."""
    return (
        previous in _BEFORE_INITIALS
        and name_follows(match)
        and not _NO_NAMES.search(text_before(match))
        and (
            previous not in _BEFORE_OBJECTS
            or _TO_SOMEBODY.search(text_before(match)) is not None
            or _AFTER_OBJECT.match(match.string, match.end()) is not None
        )
    )


def small_name(match: re.Match[str]) -> list[str] | None:
    """E. coli, V. van Dijk; but "plan B. then"."""
    previous = previous_word(match).lower()
    is_thing = previous in _LETTERED_THINGS or previous in ("a", "an", "the")
    return None if is_thing and not _SPECIES.match(match.string, match.end()) else [match[0][0]]


def _work(match: re.Match[str]) -> list[str]:
    """K. 467, of Mozart."""
    return ["K", *grouped_words(match[1])]


def french_saint(match: re.Match[str]) -> list[str] | None:
    """Rue St-Denis, the St-Laurent market; but "Main St-Elm St"."""
    numbered = _NUMBERED_STREET.search(text_before(match, 8))
    is_street = numbered or (
        follows_capital(match) and previous_word(match).lower() not in _BEFORE_SAINTS
    )
    return None if is_street else ["saint" + "e" * ("e" in match[0])]


def acres(match: re.Match[str]) -> list[str]:
    """40 ac, a 5 ac. lot."""
    single = text_before(match, 3).lstrip() == "1 " or _LAND_AFTER.match(match.string, match.end())
    return ["acre" if single else "acres"]


def featuring(match: re.Match[str]) -> list[str] | None:
    """Jay-Z ft. Rick Rubin; but "6 ft. Tall men"."""
    if previous_word(match) in ("Board", "Square", "Cubic", "Linear", "Sq"):
        return None
    is_song = _ARTIST_BEFORE.search(text_before(match)) and name_follows(match)
    return ["featuring"] if is_song else None


def abbreviation(match: re.Match[str]) -> list[str] | None:
    key, previous = match[0].rstrip(".").lower(), previous_word(match)
    numbered = previous in ("st", "nd", "rd", "th")  # 21st St.
    if key == "dr":
        return ["drive" if previous[:1].isupper() and not name_follows(match) else "doctor"]
    if key == "st":
        return ["saint" if name_follows(match) and not numbered else "street"]
    if key in ("no", "nos"):
        following = match.string[match.end() : match.end() + 12]
        of_number = (
            re.match(r"\s{0,2}\d", following)
            or (match[0] == "no." and following[:4] == " is ")
            or (previous.lower() in _HAVE_CODES and _CODE.match(following))
        )
        return ["number" if key == "no" else "numbers"] if of_number else None
    if key in ("ch", "q") and not _NUMERAL.match(match.string, match.end()):
        return None
    if (
        key == "sec"
        and not _NUMBER_AFTER.match(match.string, match.end())
        and (match[0] == "SEC." or previous.lower() in _BEFORE_MOMENTS)
    ):  # fined by the SEC. It; give me a sec.
        return None
    is_term = match[0].isupper() and term_words(match[0].rstrip(".")) is not None
    if is_term and not name_follows(match):  # 9 AM EST., but MT. EVEREST
        return None
    if key == "ave" and match[0] == "Ave":
        return ["avenue"] if previous[:1].isupper() or numbered else None
    if key == "i" and _TWO_INITIALS.match(match.string, match.end()):  # I. M. Pei, not "so am I."
        return None if previous in _BEFORE_PRONOUNS else ["I"]
    if INITIAL.match(match.string, match.end() - 1) and len(key) == 1 and key != "i":
        ends = not _TWO_INITIALS.match(match.string, match.end())
        if previous.lower() in _LETTERED_THINGS and ends:  # Option A. Option B.
            return None
        if previous.islower() and ends and not _is_initial(match, previous):  # vitamin C. Doctors
            return None
        return [key.upper()] if match[0][0].isupper() else None
    return ABBREVIATIONS.get(key) or ABBREVIATIONS.get(f"{key}.")


def initials(match: re.Match[str]) -> list[str]:
    written, apostrophe, ending = match[0].lower().partition("'")
    key = written.rstrip(".")
    words = [letter.upper() for letter in key if letter.isalpha()]
    return ABBREVIATIONS.get(f"{key}.") or [*words[:-1], words[-1] + apostrophe + ending]


def by_neighbors(match: re.Match[str]) -> list[str] | None:
    """An abbreviation that is one only after or before a number, a name or the like."""
    key = match[0].rstrip(".").lower()
    if match[0] == "EST." and not _FOLLOWED_BY["year"].match(match.string, match.end()):
        return None  # of time
    if match[0] == "V." and previous_word(match).lower() in _GIVEN_NAMES:  # John V. Lindsay
        return None
    for preceding, said in _SAID_AFTER.get(key, ()):
        if _PRECEDED_BY[preceding].search(text_before(match, 60)):
            return said
    for following, said in _SAID_BEFORE.get(key, ()):
        if _FOLLOWED_BY[following].match(match.string, match.end()) and (
            following != "person" or _is_person(match)
        ):
            return said
    return None


def _is_person(match: re.Match[str]) -> bool:
    """Det. Lopez, Sens. Smith and Jones; but not 10 Reps. Rest, Ofc. Hours."""
    return (
        match[0][0].isupper()
        and name_follows(match)
        and not _NO_PERSON_BEFORE.search(text_before(match))
        and not _NO_PERSON_AFTER.match(match.string, match.end())
    )


def small_doctor(match: re.Match[str]) -> list[str]:
    """My dr said; but "123 oak dr"."""
    return ["drive" if _SMALL_ROAD_BEFORE.search(text_before(match)) else "doctor"]


def between(match: re.Match[str]) -> list[str]:
    """The gap b/w them; but a b/w photo."""
    is_picture = match[0] == "b/w" and not _TWO_AFTER.match(match.string, match.end())
    return ["black", "and", "white"] if is_picture else ["between"]


def road_ends(match: re.Match[str]) -> list[str] | None:
    """4100 Wilshire Blvd. Parking is: a sentence ends, and the period is left to end it."""
    if not _HOUSE_BEFORE.search(text_before(match, 60)):
        return None
    return ABBREVIATIONS.get(match[0].lower()) or ABBREVIATIONS.get(f"{match[0].lower()}.")


def abbreviations_5(match: re.Match[str]) -> list[str] | None:
    return _BOOKS[match[0].rstrip(".").lower()]


def abbreviations_8(match: re.Match[str]) -> list[str] | None:
    return ["square"] if follows_capital(match) else None
