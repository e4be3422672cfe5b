"""Abbreviations, initials and roman numerals, and the words they abbreviate in context."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import opens_sentence
from dlpo.text.common.forms import Forms, text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.roman import ROMAN, roman_value
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words, year_words
from dlpo.text.en_us.tables import TABLES, any_of, table, word_list
from dlpo.text.en_us.technical import term_words

# Keyed without a period if they are expanded anywhere, and with it if only where it is written,
# since they are also words or parts of words.
ABBREVIATIONS = TABLES.words("abbreviations")
# After these a roman numeral is a plain number: chapter four, world war two.
_NUMBERED_THINGS = word_list("numbered things")
_LETTERED_THINGS = word_list("lettered things")
# After these a numeral of one letter is an ordinal too: elizabeth the first.
_REGNAL_NAMES = word_list("regnal names")
_TITLES = word_list("titles of rulers")
# Capitalized after an abbreviation or an initial, these begin a new sentence.
SENTENCE_STARTERS = word_list("sentence starters")
_PREVIOUS_WORD = late(r"([A-Za-z]{1,40})[.,]?\s?$")
_INITIAL = late(r"\.\s{1,2}[A-Z]")  # the rest of an initial and the start of a name
_TWO_INITIALS = late(r"\s?[A-Z]\.")
_NUMERAL = late(r"\s?[\dIVX]")
_CODE = late(r"\s#?[A-Z]{1,5}-?\d")
_HAVE_NUMBERS = word_list("have numbers")
_HAVE_CODES = _HAVE_NUMBERS | word_list("have codes")
_BOOKS = TABLES.words("books")
# First word of an abbreviation -> what may follow it, and its words then.
_CONTEXTS: dict[str, list[tuple[str, list[str]]]] = {}
for _key, _following, _said in TABLES.rows("abbreviations_before"):
    _CONTEXTS.setdefault(_key.partition(" ")[0], []).append((_following, _said.split()))
# An abbreviation -> what may precede it, and its words then.
_AFTER: dict[str, list[tuple[str, list[str]]]] = {}
for _key, _preceding, _said in TABLES.rows("abbreviations_after"):
    _AFTER.setdefault(_key, []).append((_preceding, _said.split()))
_PRECEDED_BY = {
    "field of study": late(
        r"(?i)\b(?:of|phys\.?|physical|special|adult|higher|continuing|driver'?s|sex|bilingual) $"
    ),
    "amount": late(r"(?:(?<![:\d])\d{1,9}|\.\d{1,2}|%|\d ?[BKM]|illion|percent)\)?,? \(?$"),
    "ordinal": late(
        r"(?i)(?:\d(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
        r"|new|limited|rev\.?|revised|expanded|abridged|deluxe|student) $"
    ),
}
_FOLLOWED_BY = {
    "of": late(r"\sof\b"),
    "generation": late(r"\s(?:[XYZ]\b(?!\.\s?[A-Z])|Alpha\b)"),
    "measure": late(
        r"\s(?:up|down|rose|fell|grew|dropped|of|growth|guidance|above|below|at|reached)\b"
        r"|\s(?:is|was)(?:\s[a-z]{1,10})?\s[-$]?\d"
    ),
    "verb": late(r"\s(?:is|was|will|has|had|can|should)\b"),
    "opponent": late(r"\s(?:the\s[A-Z]|(?!(?:I|It|The|This|We|You)\b)[A-Z][a-z])"),
    "event": late(r"\s(?:in|by|circa|c\.)\s"),
    "number": late(r"\s?[#$£€~]?\d|\s[IVX]{1,6}\b"),
    "verse": late(r"\s?\d{1,3}(?![\w,])"),
    "letter": late(r"\s(?:[A-Z]|\d{1,2})(?![\w'])"),
    "name": late(r"\s[A-Z][a-z]"),
    "year": late(r"\s(?:1[5-9]|20)\d\d\b"),
    "money": late(r"\s(?:of |was |is |up |down )?[$£€]"),
    "noun": late(r"\s[a-z]{3}"),
    "unit": late(r"\s?(?:m|ft|in|km|mi|yd|cm|mm|oz)\b"),
}
_CENTURY = late(r"(?:st|nd|rd|th)?[ -](?:[Cc]entur|[Cc]\.)")
_HOUSE_BEFORE = late(
    r"\b\d{1,5} (?:[NSEW]{1,2}\.? |North |South |East |West )?(?:[A-Z][a-z']{1,20} ){1,3}$"
)
_SMALL_ROAD_BEFORE = late(r"\b\d{1,5} (?:[a-z]{2,20} ){1,2}$")
_NAMESAKE = late(
    rf"\b(?:(?i:{any_of('given names')}) (?:[A-Z]\. )?|(?:[A-Z]\. ){{1,3}})"
    r"[A-Z][A-Za-z']{1,20},? $"
)
_DEGREES_AFTER = late(r":?\s-?\d{1,3}\.\d{2,9}\s?°")
_ONLY_NUMERALS = word_list("numerals that are no words")
_SEQUELS = word_list("have sequels")
_NUMERAL_BESIDE = late(r",? (?:(?:and|or|to|through) )?[IVX]{2,5}\b|[-–][IVX]{1,5}\b")
_NUMERAL_BEFORE = late(r"\b[IVX]{2,5},? (?:(?:and|or|to|through) )?$|\b[IVX]{1,5}[-–]$")
_STATES = table("states")  # code -> name; what its zip codes begin with
_STATES_OR_WORDS = frozenset(("HI", "ID", "IN", "ME", "OH", "OK", "OR"))
_WORDS_AFTER_COMMAS = ("OK", "HI", "OH", "ME")  # of these: "Yes, OK"
_NO_CITIES = word_list("before openings") | word_list("tags")
_AFTER_CITY = late(r"\b[A-Z][\w'.-]{1,20}, $")
_ROAD_BEFORE = late(
    rf"(?:\b(?:\d{{1,3}}(?:st|nd|rd|th)|[A-Z][a-z]{{1,20}}) (?:{any_of('streets')})\b\.?,?"
    rf"|\b(?:{any_of('roads')})[ -]\d{{1,3}}) $"
)
_HEADING = late(r"(?i)\b(?:head|go|drive|continue|then|walk|turn|travel)(?:ing)? $")
_NEXT_CAPITALISED = late(r"\s{1,2}(?![NSEW]\b)([A-Z]\.|[A-Z][A-Za-z]{0,40}(?:'[a-z]{1,3})?)")
_CITIES = word_list("cities of OK, HI, OH and ME")
_CITY = r"[A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20}){0,2}, "
_IN_CITY = late(rf"(?:\b(?:in|from|near|around|outside|via|through) ){_CITY}$")
_STATE_BEFORE = late(rf"{_CITY}[A-Z]{{2}}[;,] (?:(?:and|or) )?{_CITY}$")
_STATE_AFTER = late(rf"^[;,] (?:(?:and|or) )?{_CITY}[A-Z]{{2}}\b")
DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}


def _previous_word(match: re.Match[str]) -> str:
    """The word just before the match in the same sentence, or ""."""
    end = match.start()
    found = _PREVIOUS_WORD.search(match.string, max(0, end - 42), end)
    return found[1] if found else ""


def _name_follows(match: re.Match[str]) -> bool:
    found = _NEXT_CAPITALISED.match(match.string, match.end())
    return found is not None and not opens_sentence(found[1].lower(), SENTENCE_STARTERS)


def _abbreviation(match: re.Match[str]) -> list[str] | None:
    key, previous = match[0].rstrip(".").lower(), _previous_word(match)
    numbered = previous in ("st", "nd", "rd", "th")  # 21st St.
    if key == "dr":
        return ["drive" if previous[:1].isupper() and not _name_follows(match) else "doctor"]
    if key == "st":
        return ["saint" if _name_follows(match) and not numbered else "street"]
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
    is_term = match[0].isupper() and term_words(match[0].rstrip(".")) is not None
    if is_term and not _name_follows(match):  # 9 AM EST., but MT. EVEREST
        return None
    if key == "ave" and match[0] == "Ave":
        return ["avenue"] if previous[:1].isupper() or numbered else None
    if _INITIAL.match(match.string, match.end() - 1) and len(key) == 1 and key != "i":
        ends = not _TWO_INITIALS.match(match.string, match.end())
        if previous.lower() in _LETTERED_THINGS and ends:  # Option A. Option B.
            return None
        if previous.islower() and ends:  # of vitamin C. Doctors
            return None
        return [key.upper()] if match[0][0].isupper() else None
    return ABBREVIATIONS.get(key) or ABBREVIATIONS.get(f"{key}.")


def _initials(match: re.Match[str]) -> list[str]:
    written, apostrophe, ending = match[0].lower().partition("'")
    key = written.rstrip(".")
    words = [letter.upper() for letter in key if letter.isalpha()]
    return ABBREVIATIONS.get(f"{key}.") or [*words[:-1], words[-1] + apostrophe + ending]


def _in_context(match: re.Match[str]) -> list[str] | None:
    """An abbreviation that is one only after or before a number, a name or the like."""
    key = match[0].rstrip(".").lower()
    for preceding, said in _AFTER.get(key, ()):
        if _PRECEDED_BY[preceding].search(text_before(match, 24)):
            return said
    for following, said in _CONTEXTS.get(key, ()):
        if _FOLLOWED_BY[following].match(match.string, match.end()):
            return said
    return None


def _roman(match: re.Match[str]) -> list[str] | None:
    value = roman_value(match[0])
    is_letter = len(match[0]) == 1 and (
        match[0] not in "IVX" or _INITIAL.match(match.string, match.end())
    )
    if value is None or is_letter:
        return None
    if _CENTURY.match(match.string, match.end()):
        return ordinal_words(str(value))
    if len(match[0]) > 3 and match[0][0] == "M" and value < 2100:  # MCMLXXIV
        return year_words(str(value))
    if match[0] in _ONLY_NUMERALS or (len(match[0]) > 1 and _near_numeral(match)):
        plain = cardinal_words(str(value))
    else:
        plain = None
    previous = _previous_word(match)
    part_of_range = re.search(r"\b[IVX]{1,5}[-–]$", text_before(match, 7))
    if previous.lower() in _NUMBERED_THINGS or part_of_range:
        return cardinal_words(str(value))
    of_namesake = len(match[0]) > 1 and value < 6 and _NAMESAKE.search(text_before(match, 60))
    if (previous.lower() in _REGNAL_NAMES and previous[0].isupper()) or of_namesake:
        return ["the", *ordinal_words(str(value))]
    of_name = match[0] != "I" and not match.string.startswith("-", match.end())  # X-ray
    after_letters = of_name and re.search(r"\b[A-Z]{2,}\s$", text_before(match))  # GTA V
    if previous[:1].isupper() and value < 40 and (len(match[0]) > 1 or after_letters):
        titled = not _TITLES.isdisjoint(text_before(match, 60).lower().split()[-3:])
        return ["the", *ordinal_words(str(value))] if titled else cardinal_words(str(value))
    if match[0] == "V" and previous[:1].isupper() and previous[1:].islower():
        following = match.string[match.end() : match.end() + 1]
        is_name = following in ("", ".", ",", "!", "?", ":", ";", ")", '"', "'")
        return cardinal_words("5") if is_name or previous.lower() in _SEQUELS else None
    return plain


def _longitude(match: re.Match[str]) -> list[str] | None:
    """Lat 40.71, Long -74.00; Long: 74.00°; but "Long 5.00"."""
    is_place = "Lat" in text_before(match) or _DEGREES_AFTER.match(match.string, match.end())
    return ["longitude"] if is_place else None


def _staged(match: re.Match[str]) -> list[str] | None:
    """Stage IIIB, type IIa."""
    if _previous_word(match).lower() not in _NUMBERED_THINGS:
        return None
    return [*cardinal_words(str(roman_value(match[1]))), match[2].upper()]


def _small_doctor(match: re.Match[str]) -> list[str]:
    """My dr said; but "123 oak dr"."""
    return ["drive" if _SMALL_ROAD_BEFORE.search(text_before(match)) else "doctor"]


def _road_ends(match: re.Match[str]) -> list[str] | None:
    """4100 Wilshire Blvd. Parking is: a sentence ends, and the period is left to end it."""
    if not _HOUSE_BEFORE.search(text_before(match, 60)):
        return None
    return ABBREVIATIONS.get(match[0].lower()) or ABBREVIATIONS.get(f"{match[0].lower()}.")


def _roman_ordinal(match: re.Match[str]) -> list[str] | None:
    value = roman_value(match[1])
    return None if value is None else ordinal_words(str(value))


def _small_roman(match: re.Match[str]) -> list[str] | None:
    """Of a page or an item: page iv, (ii)."""
    value = roman_value(match[0].upper())
    of_range = text_before(match, 1) not in ("-", "–") or text_before(match, 2)[:1] in "ivxl"
    return cardinal_words(str(value)) if value is not None and of_range else None


def _near_numeral(match: re.Match[str]) -> bool:
    """Whether another numeral is beside it: IX and XI."""
    before = text_before(match, 14)
    return (
        _NUMERAL_BESIDE.match(match.string, match.end()) is not None
        or _NUMERAL_BEFORE.search(before) is not None
    )


def _previous_capital(match: re.Match[str]) -> bool:
    """Whether a name precedes a state: "Bothell, WA"."""
    return _previous_word(match)[:1].isupper()


def _state(match: re.Match[str]) -> list[str] | None:
    """Of an address: Austin, TX 78701; but not "Order ID 48213" nor "Yes, OK 12345"."""
    name, zip_codes = _STATES[match[1]]
    first, last = zip_codes.split("-")
    previous = _previous_word(match)
    is_own = first <= match[2] <= last and previous.lower() not in _HAVE_NUMBERS
    is_word = match[1] in _STATES_OR_WORDS
    if is_own and (not is_word or previous[:1].isupper()):
        return name.split()
    after_city = _AFTER_CITY.search(text_before(match)) and previous.lower() not in _NO_CITIES
    return name.split() if after_city else None


def _compass_after(match: re.Match[str]) -> list[str] | None:
    """2nd Ave N, Hwy 61 N, I-5 S, head W on Main St; but not "then E. Smith"."""
    before = text_before(match)
    heads = _HEADING.search(before) and not match.string.startswith(".", match.end())
    return _compass(match) if heads or _ROAD_BEFORE.search(before) else None


def _lone_state(match: re.Match[str]) -> list[str] | None:
    """OK, HI, OH and ME where more than one name before shows that it is no word."""
    before, following = text_before(match, 60), match.string[match.end() : match.end() + 60]
    is_place = (
        match[0] == "ME"
        or _IN_CITY.search(before)
        or _STATE_BEFORE.search(before)
        or _STATE_AFTER.search(following)
        or _previous_word(match).lower() in _CITIES
    )
    return _STATES[match[0]][0].split() if is_place and _previous_capital(match) else None


def _compass(match: re.Match[str]) -> list[str]:
    letters = match[0].strip("° .")
    apart, joined = letters[:-2], letters[-2:]  # north northeast
    words = [*(DIRECTIONS[one] for one in apart), "".join(DIRECTIONS[one] for one in joined)]
    return ["degrees"] * (match[0][0] == "°") + words


FORMS: Forms = (
    ("A", r"\b[NSEW]\b(?!['-]|\.\w)", _compass_after),
    (
        "A-",
        r"°\s?[NSEW]\b|\b[NS][EW]\b"
        r"|\b(?:NN[EW]|SSW|[EW][NS][EW])\b"
        r"|\bSSE\b(?= (?:of town|winds?|(?:at )?\d{1,3}(?:[-–]\d{1,3})? (?:mph|knots?|kts?))\b)"
        r"|(?:(?<=\bmi )|(?<=\bmi\. )|(?<=\bmiles )|(?<=\bkm ))(?:[NSEW]|SSE)\b(?= of\b)"
        r"|\b[NSEW]\b\.?(?=\s\d{1,3}(?:st|nd|rd|th)\b)",
        _compass,
    ),
    ("A0", rf"\b({'|'.join(_STATES)})(?=\s(\d{{3}})\d\d\b)", _state),
    (
        "A",
        rf"(?<=[a-z], )(?:{'|'.join(_STATES.keys() - {*_WORDS_AFTER_COMMAS})})"
        r"(?=[.,;!?)\n]|$| [a-z])",
        lambda match: _STATES[match[0]][0].split() if _previous_capital(match) else None,
    ),
    (
        "A",
        rf"(?<=[a-z], )(?:{'|'.join(_WORDS_AFTER_COMMAS)})"
        r"(?=[.,;)\n]|$| (?:and|or) |(?<=ME) [a-z])",
        _lone_state,
    ),
    ("A", rf"\b(?=[IVXLCDM]+\b){ROMAN}\b(?:(?!')|(?<=[IVX]{{2}})(?='s\b))", _roman),
    ("A", r"\b(I{1,3}|IV)([A-C]|[a-c])\b", _staged),
    ("A", r"\b(?:Ave|Blvd|Ct|Hwy|Ln|Pkwy|Rd)(?=\.\s[A-Z][a-z']{1,20} [a-z])", _road_ends),
    (
        "a",
        r"(?<=\()[ivx]{2,5}(?=\))|(?<=\f)[ivx]{2,5}(?=,)"
        r"|(?:(?<=[Pp]age )|(?<=[Pp]ages )|(?<=pp\. )|(?<=p\. )|(?<=[-–]))"
        r"[ivxl]{1,7}\b(?!')",
        _small_roman,
    ),
    ("A", rf"\b(?=[IVX]{{2,}})({ROMAN})(?:st|nd|rd|th)\b", _roman_ordinal),
    (
        "A",
        r"\b[NSEW]\.?(?= [A-Z][a-z]+(?: [A-Z][a-z]+)?"
        rf" (?:{any_of('streets')})\b)",
        _compass,
    ),
    ("A", rf"\b[NSEW]\. (?:(?={any_of('have halves')})\b)", _compass),
    (
        "aA0",
        rf"\b(?:{any_of('abbreviated books')})\.?(?=\s\d{{1,3}}:\d)",
        lambda match: _BOOKS[match[0].rstrip(".").lower()],
    ),
    ("a0", r"(?<=\d )st\b\.?", lambda match: ["stone"]),
    ("A0", r"\bSR(?=[- ]?\d)|(?<=\d-)SR\b", lambda match: ["S", "R"]),
    ("A", r"\bLat\b\.?(?=:?\s-?\d{1,2}\.\d)", lambda match: ["latitude"]),
    ("A", r"\bLong?\b\.?(?=:?\s-?\d{1,3}\.\d{2,9}(?:°|\b))", _longitude),
    ("A", r"\bCol(?=\s(?:[A-Z]|\d{1,3})\b)", lambda match: ["column"]),
    ("a", r"\bdr\b\.?(?=\s[a-z])", _small_doctor),
    ("a", r"(?<=\bet )al\.(?!\w)", lambda match: ["al"]),
    ("aA", r"\b[A-Za-z]{1,8}\.(?!\w)", _in_context),
    ("aA", r"\b(?:[A-Za-z]\.){2,12}(?:'s\b)?|\b[Pp]h\.?D\b\.?", _initials),
    ("aA0", r"(?<=\d(?:st|nd|rd|th) )[Ff]l\b\.?", lambda match: ["floor"]),
    ("a0", r"(?<=\d(?:st|nd|rd|th) )c\.(?=\s|$)", lambda match: ["century"]),
    ("A0", r"(?<=\d(?:st|nd|rd|th) )Cir\.", lambda match: ["circuit"]),
    ("a0", r"(?<=\d )ea\b\.?", lambda match: ["each"]),
    ("a0", r"(?<=\d )lg\.(?=\s[a-z])", lambda match: ["large"]),
    ("a0", r"(?<=\d(?:st|nd|rd|th) )min\b\.?", lambda match: ["minute"]),
    ("aA", r"\b(?:Dr|St|Ave)\b\.?|\b[A-Za-z]{1,6}\.(?!\w)", _abbreviation),
)
