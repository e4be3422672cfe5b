"""Abbreviations, initials and roman numerals, and the words they abbreviate in context."""

from __future__ import annotations

import re

from dlpo.text.numbers import ROMAN_PATTERN, cardinal_words, ordinal_words, roman_value

# Independent of context; keys are lower case and without their final period.
_ALWAYS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messers", "drs": "doctors",
    "jr": "junior", "sr": "senior", "prof": "professor", "capt": "captain", "cpt": "captain",
    "lt": "lieutenant", "sgt": "sergeant", "cmdr": "commander", "supt": "superintendent",
    "esq": "esquire", "blvd": "boulevard", "rd": "road", "hwy": "highway", "apt": "apartment",
    "bldg": "building", "ltd": "limited", "bros": "brothers", "dept": "department",
    "assn": "association", "vs": "versus", "etc": "et cetera", "viz": "namely",
    "approx": "approximately", "vol": "volume", "vols": "volumes", "pp": "pages",
    "tues": "tuesday", "thurs": "thursday",
}  # fmt: skip
# Ordinary words or parts of words too: these are expanded only where their period is written.
_WITH_PERIOD = {
    "gen": "general", "col": "colonel", "maj": "major", "gov": "governor", "sen": "senator",
    "rep": "representative", "pres": "president", "fr": "father", "ave": "avenue", "mt": "mount",
    "ft": "fort", "inc": "incorporated", "co": "company", "est": "established", "ed": "edition",
    "sec": "section", "fig": "figure", "hon": "honorable", "rev": "reverend", "ca": "circa",
    "chap": "chapter", "cf": "compare", "corp": "corporation", "univ": "university",
    "jan": "january", "feb": "february", "mar": "march", "apr": "april", "jun": "june",
    "jul": "july", "aug": "august", "sep": "september", "sept": "september", "oct": "october",
    "nov": "november", "dec": "december", "mon": "monday", "tue": "tuesday", "wed": "wednesday",
    "thu": "thursday", "fri": "friday", "p": "page",
}  # fmt: skip
_DOTTED = {
    "e.g": "for example", "i.e": "that is", "a.k.a": "also known as", "ph.d": "P H D",
}  # fmt: skip
# After these a roman numeral is a plain number: chapter four, world war two.
_NUMBERED_THINGS = frozenset((
    "chapter", "part", "book", "volume", "section", "act", "scene", "war", "article", "title",
    "type", "phase", "class", "level", "stage", "figure", "table", "appendix", "apollo",
    "gemini", "mark", "bowl", "grade", "division", "unit", "annex", "psalm", "canto", "verse",
    "column", "plate", "case", "group", "rule", "episode", "round", "version",
))  # fmt: skip
# After these a numeral of one letter is an ordinal too: elizabeth the first.
_REGNAL_NAMES = frozenset((
    "henry", "louis", "george", "edward", "charles", "james", "william", "elizabeth", "richard",
    "john", "paul", "pius", "gregory", "leo", "benedict", "alexander", "nicholas", "peter",
    "catherine", "philip", "napoleon", "frederick", "francis", "innocent", "clement", "urban",
    "otto", "ivan", "mary", "victoria", "ferdinand", "leopold", "gustav", "christian",
    "margaret", "david", "robert", "wilhelm", "friedrich", "carlos", "juan", "felipe",
    "umberto", "haakon", "olaf", "ramses", "ptolemy", "darius", "xerxes", "boniface", "julius",
    "sixtus", "adrian", "eugene", "stephen", "constantine", "theodosius", "justinian",
))  # fmt: skip
# In capitals after an abbreviation or an initial, these begin a new sentence.
SENTENCE_STARTERS = frozenset((
    "after", "all", "although", "an", "and", "as", "at", "because", "but", "by", "each", "every",
    "for", "from", "he", "her", "here", "his", "how", "if", "in", "is", "it", "its", "many",
    "more", "most", "my", "no", "not", "now", "on", "our", "she", "since", "so", "some", "such",
    "that", "the", "their", "then", "there", "these", "they", "this", "those", "though", "to",
    "under", "until", "we", "what", "when", "where", "which", "while", "who", "why", "with",
    "yet", "you", "your",
))  # fmt: skip
_PREVIOUS_WORD = re.compile(r"([A-Za-z]{1,40})[.,]?\s?$")
_INITIAL = re.compile(r"\.\s{1,2}[A-Z]")  # the rest of an initial and the start of a name
_NEXT_CAPITALISED = re.compile(r"\s{1,2}([A-Z][A-Za-z]*)")


def _previous_word(match: re.Match[str]) -> str:
    """The word just before the match in the same sentence, or ""."""
    found = _PREVIOUS_WORD.search(match.string[max(0, match.start() - 42) : match.start()])
    return found[1] if found else ""


def _name_follows(match: re.Match[str]) -> bool:
    found = _NEXT_CAPITALISED.match(match.string, match.end())
    return found is not None and found[1].lower() not in SENTENCE_STARTERS


def _doctor_or_drive(match: re.Match[str]) -> str:
    is_drive = _previous_word(match)[:1].isupper() and not _name_follows(match)
    return "drive" if is_drive else "doctor"


def _saint_or_street(match: re.Match[str]) -> str:
    numbered = _previous_word(match) in ("st", "nd", "rd", "th")  # 21st St.
    return "saint" if _name_follows(match) and not numbered else "street"


def _abbreviation(match: re.Match[str]) -> list[str] | None:
    key = match[0].rstrip(".").lower()
    if key == "dr":
        return [_doctor_or_drive(match)]
    if key == "st":
        return [_saint_or_street(match)]
    if key in ("no", "nos"):
        number_follows = re.match(r"\s?\d", match.string[match.end() : match.end() + 2])
        return ["number" if key == "no" else "numbers"] if number_follows else None
    if _INITIAL.match(match.string, match.end() - 1) and len(key) == 1 and key != "i":
        return [key.upper()] if match[0][0].isupper() else None
    expansion = _ALWAYS.get(key) or _WITH_PERIOD.get(key)
    return expansion.split() if expansion else None


def expanded(word: str) -> list[str] | None:
    """The words of an abbreviation that needs no period ("Mr", "etc"); None for other words."""
    expansion = _ALWAYS.get(word.lower())
    return expansion.split() if expansion else None


def _initials(match: re.Match[str]) -> list[str]:
    key = match[0].lower().rstrip(".")
    if key in _DOTTED:
        return _DOTTED[key].split()
    return [letter.upper() for letter in key if letter.isalpha()]


def _roman(match: re.Match[str]) -> list[str] | None:
    value = roman_value(match[0])
    is_letter = len(match[0]) == 1 and (
        match[0] not in "IVX" or _INITIAL.match(match.string, match.end())
    )
    if value is None or is_letter:
        return None
    previous = _previous_word(match)
    if previous.lower() in _NUMBERED_THINGS:
        return cardinal_words(str(value))
    regnal = previous.lower() in _REGNAL_NAMES
    if previous[:1].isupper() and (regnal or (len(match[0]) > 1 and value < 40)):
        return ["the", *ordinal_words(str(value))]
    return None


FORMS = {
    "roman": (rf"\b(?=[IVXLCDM]+\b){ROMAN_PATTERN}\b(?!')", _roman),
    "initials": (r"\b(?:[A-Za-z]\.){2,12}|\b[Pp]h\.?D\b\.?", _initials),
    "abbreviation": (r"\b(?:Dr|St)\b\.?|\b[A-Za-z]{1,6}\.(?!\w)", _abbreviation),
}
