"""Abbreviations, initials and roman numerals, and the words they abbreviate in context."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import opens_sentence
from dlpo.text.common.forms import Forms, text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.roman import ROMAN, roman_value
from dlpo.text.en_us.numbers import cardinal_words, grouped_words, ordinal_words, year_words
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
_ENDS_WITH_NUMERAL = ("Act", "Chapter", "Class", "Part", "Phase", "Stage", "Type", "Volume", "War")
_RULERS = word_list("names of many rulers")  # but "I saw Pedro I knew"
_TITLES = word_list("titles of rulers")
# Capitalized after an abbreviation or an initial, these begin a new sentence.
SENTENCE_STARTERS = word_list("sentence starters")
_SAID_BY_ME = late(  # the book I read, not "type I diabetes"
    r",? (?:am|was|have|had|will|would|can|could|should|must|may|might|do|did|don't|didn't"
    rf"|can't|couldn't|won't|never|always|really|just|also|once|still|{any_of('I do')})\b"
)
_STAGES = ("stage", "phase", "type", "group", "class", "grade", "category", "level")
_NO_PERSON_BEFORE = late(r"(?:\d|\b[Ss]oc\.|\b[Ss]ocial|\b[Tt]he) $")
_NO_PERSON_AFTER = late(
    r" (?:Hours?|Garage|Deposit|Number|Rest|Space|Supplies|Admin|One|Two|Three|Four|Five|Six|Seven"
    r"|Eight|Nine|Ten)\b"
)
_THE_ONE = late(r"\b(?:the|every|each|this|that|any) [a-z]{4,8} $")
_PREVIOUS_WORD = late(r"([A-Za-z]{1,40})[.,]?\s?$")
_CAPITAL_AFTER = late(r" [A-Z]")
_INITIAL = late(r"\.\s{1,2}[A-Z]")  # the rest of an initial and the start of a name
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
_CODE = late(r"\s#?[A-Z]{1,5}-?\d")
_GIVEN_NAMES = word_list("given names")
_BEFORE_INITIALS = word_list("before initials")
_SPECIES = late(rf"\s(?:{any_of('species')})\b")
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
    "office": late(
        r"\b(?:Asst|Dep|Exec)\. $|\b(?:Deputy|Assistant|Press|Defense|Treasury|Labor) $"
    ),
    "troops": late(
        r"(?:\d(?:st|nd|rd|th|d)|Airborne|Infantry|Cavalry|Armored|Mountain|Marine|Ranger|Artillery"
        r"|Rifle|Tank|Engineer|Parachute) $"
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
    "version": late(r"\s(?:[A-Z](?!\.\s?[A-Z])|\d{1,2})(?![\w'])"),
    "letter": late(r"\s(?:[A-Z]|\d{1,2})(?![\w'])"),
    "name": late(r"\s[A-Z][a-z]"),
    "year": late(r"\s(?:1[5-9]|20)\d\d\b"),
    "money": late(r"\s(?:of |was |is |up |down )?[$£€]"),
    "noun": late(r"\s[a-z]{3}"),
    "call": late(r"\s(?:calls?|rooms?|rm|lines?|bridge|number|no|code|center)\b"),
    "rate": late(r"\s(?:rates?|paid|payments?|earned|expense|income|accrued|charges?)\b"),
    "honor": late(r"\s(?:(?:Hon|Rev)\b|[HR]$)"),
    "by": late(r"\sby\b"),
    "person": late(r"\s[A-Z][a-z']"),
    "court": late(r"\s(?:(?:Ct|Court|Att(?:y|orney)|Judge)\b|[CAJ]$)"),
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
_SMALL_STREETS = {"Pl": "place", "Ter": "terrace", "Plz": "plaza", "Cres": "crescent"}
_PRICE_BEFORE = late(r"[$£€]\s?\d[\d.,]{0,9} ?$")
_COUNT_AFTER = late(r":|\.?$|\.? (?:is|was|of)\b")
_DOCTORS = {
    "hx": "history", "dx": "diagnosis", "sx": "symptoms", "tx": "treatment",
    "pmhx": "past medical history",
}  # fmt: skip
_RULES = {
    "Civ": "rule of civil procedure", "Crim": "rule of criminal procedure",
    "Evid": "rule of evidence", "App": "rule of appellate procedure",
}  # fmt: skip
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
_IN_CITY = late(rf"(?:\b(?:[Ii]n|[Ff]rom|[Nn]ear|around|outside|via|through) ){_CITY}$")
_STATE_BEFORE = late(rf"{_CITY}[A-Z]{{2}}[;,] (?:(?:and|or) )?{_CITY}$")
_STATE_AFTER = late(rf"^[;,] (?:(?:and|or) )?{_CITY}[A-Z]{{2}}\b")
_WRITTEN_STATES = table("written_states")  # "Calif" -> name; whether it is no other word
_OF_LETTERS = "|".join(re.escape(key) for key in _WRITTEN_STATES if "." in key)  # "N.Y"
_OF_WORDS = "|".join(key for key in _WRITTEN_STATES if "." not in key)
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
_ROAD_AFTER = late(
    r" (?:lanes?|ramps?|traffic|on-ramps?|off-ramps?|exits?|Hwy|Highway|Rte|Route)\b"
    r"| (?:I|US|SR|CA)[- ]?\d"
)
COORDINATE_BEFORE = late(
    r"(?i:\b(?:lat|long?|latitude|longitude)\b)\.?:? \d{1,3}(?:\.\d{1,9})?°? ?$"
    r"|\d\.\d{1,9}°? ?[NS],? \d{1,3}\.\d{1,9}°? ?$"
)
DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}


_SURE = {
    "Cat": "category", "Div": "division", "Add": "additional", "Rm": "room", "Ps": "psalm",
    "Fwd": "forward", "Fl": "floor", "Pub": "publication", "Rt": "route", "Civ": "civil",
}  # fmt: skip
PARTIES: Forms = (  # R-N.C., before what sees the name of a file in it
    (
        "A",
        rf"\b([DRI])-({_OF_LETTERS})\.(?!\w)",
        lambda match: [match[1], *_WRITTEN_STATES[match[2]][0].split()],
    ),
)


def _previous_word(match: re.Match[str]) -> str:
    """The word just before the match in the same sentence, or ""."""
    end = match.start()
    found = _PREVIOUS_WORD.search(match.string, max(0, end - 42), end)
    return found[1] if found else ""


def _name_follows(match: re.Match[str]) -> bool:
    found = _NEXT_CAPITALISED.match(match.string, match.end())
    return found is not None and not opens_sentence(found[1].lower(), SENTENCE_STARTERS)


def _is_initial(match: re.Match[str], previous: str) -> bool:
    """Whether a letter begins a name: "written by M. Johnson"."""
    return (
        previous in _BEFORE_INITIALS
        and _name_follows(match)
        and not _NO_NAMES.search(text_before(match))
        and (
            previous not in _BEFORE_OBJECTS
            or _TO_SOMEBODY.search(text_before(match)) is not None
            or _AFTER_OBJECT.match(match.string, match.end()) is not None
        )
    )


def _small_name(match: re.Match[str]) -> list[str] | None:
    """E. coli, V. van Dijk; but "plan B. then"."""
    previous = _previous_word(match).lower()
    is_thing = previous in _LETTERED_THINGS or previous in ("a", "an", "the")
    return None if is_thing and not _SPECIES.match(match.string, match.end()) else [match[0][0]]


def _work(match: re.Match[str]) -> list[str]:
    """K. 467, of Mozart."""
    return ["K", *grouped_words(match[1])]


def _featuring(match: re.Match[str]) -> list[str] | None:
    """Jay-Z ft. Rick Rubin; but "6 ft. Tall men"."""
    if _previous_word(match) in ("Board", "Square", "Cubic", "Linear", "Sq"):
        return None
    is_song = _ARTIST_BEFORE.search(text_before(match)) and _name_follows(match)
    return ["featuring"] if is_song else None


def _equation(match: re.Match[str]) -> list[str]:
    """Eq. (4), Eqs. (4)-(6)."""
    words = ["equations" if "s" in match[1] else "equation", *cardinal_words(match[2])]
    return [*words, "to", *cardinal_words(match[3])] if match[3] else words


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
    if key == "i" and _TWO_INITIALS.match(match.string, match.end()):  # I. M. Pei, not "so am I."
        return None if previous in _BEFORE_PRONOUNS else ["I"]
    if _INITIAL.match(match.string, match.end() - 1) and len(key) == 1 and key != "i":
        ends = not _TWO_INITIALS.match(match.string, match.end())
        if previous.lower() in _LETTERED_THINGS and ends:  # Option A. Option B.
            return None
        if previous.islower() and ends and not _is_initial(match, previous):  # vitamin C. Doctors
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
    if match[0] == "V." and _previous_word(match).lower() in _GIVEN_NAMES:  # John V. Lindsay
        return None
    for preceding, said in _AFTER.get(key, ()):
        if _PRECEDED_BY[preceding].search(text_before(match, 24)):
            return said
    for following, said in _CONTEXTS.get(key, ()):
        if _FOLLOWED_BY[following].match(match.string, match.end()) and (
            following != "person" or _is_person(match)
        ):
            return said
    return None


def _is_person(match: re.Match[str]) -> bool:
    """Det. Lopez, Sens. Smith and Jones; but not 10 Reps. Rest, Ofc. Hours."""
    return (
        match[0][0].isupper()
        and _name_follows(match)
        and not _NO_PERSON_BEFORE.search(text_before(match))
        and not _NO_PERSON_AFTER.match(match.string, match.end())
    )


def _roman(match: re.Match[str]) -> list[str] | None:
    value = roman_value(match[0])
    previous = _previous_word(match)
    of_thing = previous in _ENDS_WITH_NUMERAL  # World War I. Then
    is_letter = len(match[0]) == 1 and (
        match[0] not in "IVX" or (_INITIAL.match(match.string, match.end()) and not of_thing)
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
    part_of_range = re.search(r"\b[IVX]{1,5}[-–]$", text_before(match, 7))
    if (
        match[0] == "I"
        and previous.islower()
        and _SAID_BY_ME.match(match.string, match.end())
        and (previous not in _STAGES or _THE_ONE.search(text_before(match)))
    ):
        return None
    if previous.lower() in _NUMBERED_THINGS or part_of_range:
        return cardinal_words(str(value))
    of_namesake = len(match[0]) > 1 and value < 6 and _NAMESAKE.search(text_before(match, 60))
    of_many = len(match[0]) > 1 and previous.lower() in _RULERS
    is_ruler = previous.lower() in _REGNAL_NAMES or of_many
    if (is_ruler and previous[0].isupper()) or of_namesake:
        return ["the", *ordinal_words(str(value))]
    of_name = match[0] != "I" and not match.string.startswith("-", match.end())  # X-ray
    after_letters = of_name and re.search(r"\b[A-Z]{2,}\s$", text_before(match))  # GTA V
    if previous[:1].isupper() and value < 40 and (len(match[0]) > 1 or after_letters):
        titled = not _TITLES.isdisjoint(text_before(match, 60).lower().split()[-3:])
        return ["the", *ordinal_words(str(value))] if titled else cardinal_words(str(value))
    if (
        len(match[0]) > 1
        and value < 11
        and re.search(r"\b[A-Z]\d{1,3}[RSC]? $", text_before(match, 8))
    ):
        return cardinal_words(str(value))  # a camera: A7 IV
    if match[0] == "V" and previous[:1].isupper() and previous[1:].islower():
        following = match.string[match.end() : match.end() + 1]
        is_name = following in ("", ".", ",", "!", "?", ":", ";", ")", '"', "'")
        return cardinal_words("5") if is_name or previous.lower() in _SEQUELS else None
    return plain


def _small_street(match: re.Match[str]) -> list[str] | None:
    """4 Park Pl., 26 Elm Ter."""
    if not _HOUSE_BEFORE.search(text_before(match, 60)):
        return None
    return [_SMALL_STREETS[match[0].rstrip(".")]]


def _packed(match: re.Match[str]) -> list[str] | None:
    """A 5-pk. of socks, a 4-pc. set, 12 pcs.; but "12 ct" of a diamond."""
    before = text_before(match, 1)
    key = match[0].rstrip(".")
    if key == "ct":
        return ["count"] if before == "-" else None
    return [{"pk": "pack", "pc": "piece", "pcs": "pieces"}[key]]


def _per_person(match: re.Match[str]) -> list[str] | None:
    """$65 pp; but "240 pp."."""
    return ["per", "person"] if _PRICE_BEFORE.search(text_before(match, 16)) else None


def _square_feet(match: re.Match[str]) -> list[str]:
    """The sq. ft. price; total sq. ft.: 900."""
    return ["square", "feet" if _COUNT_AFTER.match(match.string, match.end()) else "foot"]


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


def _written_state(match: re.Match[str]) -> list[str] | None:
    """Calif.; D-Pa., Portland, Ore., Minn.-based, where it may be another word only so."""
    stem = match[0].rstrip(".")
    name, alone = _WRITTEN_STATES[stem]
    before = text_before(match, 60)
    text, end = match.string, match.end()
    ends = match[0] == stem and text.startswith(". ", end)  # and a sentence follows
    previous = _previous_word(match).lower()
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


def _road_way(match: re.Match[str]) -> list[str] | None:
    """I-80 EB, SB lanes."""
    of_road = _ROAD_AFTER.match(match.string, match.end())
    if not of_road and not _ROAD_BEFORE.search(text_before(match)):
        return None
    return [DIRECTIONS[match[0][0]] + "bound"]


def _of_coordinates(match: re.Match[str]) -> list[str] | None:
    """Lat. 34.05 N."""
    return _compass(match) if COORDINATE_BEFORE.search(text_before(match)) else None


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
    (
        "A",
        r"(?:(?<=% )|(?<=variable )|(?<=fixed )|(?<=low )|(?<=[Oo]ur )|(?<=[Yy]our )|(?<=[Tt]he ))"
        r"APR(?=\.)",
        lambda match: [*match[0]],
    ),
    ("A", r"\bID(?= (?:no\.|number\b|#))", lambda match: [*match[0]]),
    ("a", r"(?<=\bID )no\.", lambda match: ["number"]),
    ("A", r"\bQ&A\b", lambda match: ["Q", "and", "A"]),
    ("aA", r"(?<=\()[Rr]et\.(?=\))", lambda match: ["retired"]),
    ("A", r"(?<=[a-z] )Sta\.(?=\s[a-z]|[,)]|$)", lambda match: ["station"]),
    ("A", r"\bSta\.(?= [A-Z])", lambda match: ["santa"]),
    ("A", r"\b[NSEW]\b(?!['-]|\.\w)", _compass_after),
    (
        "A-",
        r"°\s?[NSEW]\b|\b[NS][EW]\b"
        r"|\b(?:NN[EW]|SSW|[EW][NS][EW])\b"
        r"|\bSSE\b(?= (?:of town|winds?|(?:at )?\d{1,3}(?:[-–]\d{1,3})? (?:mph|knots?|kts?))\b)"
        r"|\b[NSEW]\b(?= winds?\b(?! (?:up|down|its|through|along|around|back|between)\b))"
        r"|(?:(?<=[Ww]ind )|(?<=[Ww]inds )|(?<=[Ww]ind: )|(?<=[Ww]inds: ))[NSEW]\b(?=,? (?:at )?\d)"
        r"|(?<=becoming )[NSEW]\b(?=\s(?:by|after|in|at|around|late|this|tonight|overnight|\d)\b)"
        r"|(?<=\b[Tt]he )[NSW]\b(?= (?:side|end|edge|bank|shore|wall|slope|coast|rim)\b)"
        r"|(?<=\b[Tt]he )E\b(?= (?:end|edge|bank|shore|wall|slope|coast|rim|side of the (?:lake"
        r"|river|city|building|house|street|road|park|island|mountain|hill|town|county|bay))\b)"
        r"|(?:(?<=& )|(?<=\bjust )|(?<=\blies )|(?<=located )|(?<=areas )|(?<=; )|(?<=\band ))"
        r"[NSEW]\b(?= of (?:I-\d|US-\d|Hwy|(?!The\b|A\b)[A-Z][a-z]{2}))"
        r"|(?:(?<=\bmi )|(?<=\bmi\. )|(?<=\bmiles )|(?<=\bkm ))(?:[NSEW]|SSE)\b(?= of\b)"
        r"|\b[NSEW]\b\.?(?=\s\d{1,3}(?:st|nd|rd|th)\b)",
        _compass,
    ),
    ("A0", r"(?:(?<=\d )|(?<=\d° )|(?<=\d))[NSEW]\b(?!['.-]\w)", _of_coordinates),
    ("A", r"\b[NSEW]B\b", _road_way),
    (
        "A",
        rf"\b(?=[A-Z][a-z]{{1,4}}\.\s[A-Z](?!\.))(?:{_OF_WORDS})(?=\.)",
        _written_state,
    ),
    (
        "A",
        rf"\b(?=[A-Z][a-z]{{1,4}}(?![a-z']))(?:{_OF_WORDS})"
        r"(?:\.(?!\w)|(?:(?<=-[A-Z][a-z])|(?<=-[A-Z][a-z]{3})"
        r"|(?<=-[A-Z][a-z]{4}))(?![\w'-]))",
        _written_state,
    ),
    (
        "A",
        rf"(?:(?<=\([DRI]-))(?:{'|'.join(_STATES)})(?=\)|-\d)",
        lambda match: _STATES[match[0]][0].split(),
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
        r"|(?<=\()(?<!\w\()i(?=[),][^()]{1,300}\(ii\))"
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
    (
        "A",
        r"\bCat\.(?=\s?[1-8][a-e]?\b(?!\.\d))|\bDiv\.(?=\s(?:I{1,3}|[1-4])\b)"
        r"|(?<=\bMS )Add\.(?=\s\d{4})|\bRm(?= \d)|\bPs(?=\s\d{1,3}\b(?![\d/]))|\bFwd(?=:)"
        r"|\bFl\.(?= \d{1,3}\b(?! (?:oz|fl)))|\bPub\.(?= \d{2,4}\b)"
        r"|\bRt(?= \d{1,3}\b(?! times))|\bCiv\.(?= Code\b)",
        lambda match: [_SURE[match[0].rstrip(".")]],
    ),
    ("A0", r"(?:(?<=, )|(?<=\()|(?<='s ))K\. ?(\d{2,3})\b(?![-.]\d)", _work),
    ("aA0", r"\b[Ee]q(n?s?)\b\.? ?\((\d{1,3})(?:\)|$)(?:[-–]\((\d{1,3})\))?", _equation),
    ("a", r"\bfwd(?=:)", lambda match: ["forward"]),
    (
        "A",
        r"\b(Cal|Fed)\.(?= (?:R\. (?:Civ|Crim|Evid|App)\.|Civ\. Code))",
        lambda match: ["federal" if match[1] == "Fed" else "california"],
    ),
    (
        "A",
        r"(?<=\bFed\. )R\. (Civ|Crim|Evid|App)\.(?: P\.)?(?!\w)",
        lambda match: _RULES[match[1]].split(),
    ),
    ("A", r"\b(?:Pl|Ter|Plz|Cres)\b\.?", _small_street),
    (
        "aA0",
        r"(?:(?<=\d)|(?<=\d-)|(?<=\d ))(?:pk|pcs?|ct)\b(?:\.(?=\s[a-z(]|\)?[,;:]))?",
        _packed,
    ),
    ("a", r"\bhx\b|\b[dst]x(?=:\s)", lambda match: [_DOCTORS[match[0]]]),
    ("A", r"\b[HDST]x(?=:\s)|\bPMHx\b", lambda match: _DOCTORS[match[0].lower()].split()),
    (
        "a",
        r"(?<!\bno )(?<!\bto )(?<!\bof )(?<!little )(?<!\bany )\bavail\.",
        lambda match: ["available"],
    ),
    ("a0", r"(?:(?<=\d )|(?<=\d))pp\b\.?(?!\s?\d)", _per_person),
    (
        "a",
        r"(?:(?<=\b[Nn]ot )|(?<=\bis )|(?<=\bare ))(?:incl|excl)\b\.?(?! \d)"
        r"|\b(?:incl|excl)\b\.?(?=\)|[,;]|\s*$)",
        lambda match: ["included" if match[0][0] == "i" else "excluded"],
    ),
    ("aA", r"\b[Ss]q\b\.? ?ft\b(?:\.(?=\s[a-z]|\)?[,;:]))?", _square_feet),
    (
        "A",
        r"\bSq\b(?!\.? ?(?:[Ff]t|[Mm]i|[Kk]m|[Mm]\b))\.?",
        lambda match: ["square"] if _previous_capital(match) else None,
    ),
    (
        "a",
        r"(?<=[a-z] )d\.(?= (?:[A-Z][\w'-]{1,20} ){1,3}\(?[0-7]-[0-7]\b)",
        lambda match: ["defeated"] if _previous_word(match)[:1].isupper() else None,
    ),
    ("a", r"(?:ft|feat)\b\.?(?= [A-Z\d])", _featuring),
    (
        "a",
        r"(?:(?<=[Dd]ew )|(?<=melting )|(?<=boiling )|(?<=freezing ))pt\b\.?",
        lambda match: ["point"],
    ),
    ("a", r"(?<=\bet )al\.(?!\w)", lambda match: ["al"]),
    ("aA", r"\b[A-Za-z]{1,8}\.(?!\w)", _in_context),
    ("A", r"\b[A-HJ-Z]\.(?=\s[a-z])", _small_name),
    ("aA", r"\b(?:[A-Za-z]\.){2,12}(?:'s\b)?|\b[Pp]h\.?D\b\.?", _initials),
    ("aA0", r"(?<=\d(?:st|nd|rd|th) )[Ff]l\b\.?", lambda match: ["floor"]),
    ("a0", r"(?<=\d(?:st|nd|rd|th) )c\.(?=\s|$)", lambda match: ["century"]),
    ("A0", r"(?<=\d(?:st|nd|rd|th) )Cir\.", lambda match: ["circuit"]),
    ("a0", r"(?<=\d )ea\b\.?", lambda match: ["each"]),
    ("a0", r"(?<=\d )lg\.(?=\s[a-z])", lambda match: ["large"]),
    ("a0", r"(?<=\d(?:st|nd|rd|th) )min\b\.?", lambda match: ["minute"]),
    ("aA", r"\b(?:Dr|St|Ave)\b\.?|\b[A-Za-z]{1,6}\.(?!\w)", _abbreviation),
)
