"""Abbreviations, acronyms, initials and roman numerals, and what they are in their context."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import Abbreviations, InContext, doubled_capitals
from dlpo.text.common.forms import capital_parts, text_before, with_pause
from dlpo.text.common.patterns import late
from dlpo.text.common.roman import ROMAN, roman_value
from dlpo.text.common.tables import any_key
from dlpo.text.es.nouns import NOUNS
from dlpo.text.es.numbers import cardinal_words, ordinal_words
from dlpo.text.es.tables import TABLES, word_list

LETTERS = "A-Za-záéíóúüñçÁÉÍÓÚÜÑÇ"
CAPITAL_PARTS = capital_parts("A-ZÁÉÍÓÚÑÇ", "a-záéíóúüñç")
ABBREVIATION_WORDS = TABLES.words("abbreviations")
ABBREVIATIONS = Abbreviations(
    ABBREVIATION_WORDS,
    word_list("abbreviations before numbers"),
    word_list("abbreviations before names"),
    LETTERS,
    ends=r"\dºª",
)
IN_CONTEXT = InContext(TABLES, "abbreviations_in_context", LETTERS)
ACRONYMS = TABLES.words("acronyms") | doubled_capitals(ABBREVIATION_WORDS)
_NAMES = TABLES.words("letters")
_STATES = TABLES.words("states")  # of Mexico
_STATE = rf"(?:{any_key(_STATES)}|CDMX|Edo\. (?:de )?M[eé]x\.)"
_SHORT_PLACE = r"(?<!etc)(?<!\bej)(?<!\b[Ff]ig)(?<!\b[Rr]ef)(?<!\b[Cc]f)\."
_IN_STATE = late(
    rf"(?:[a-záéíóúñ](?:{_SHORT_PLACE})?, |\b[Ee]n |(?<!\w){_STATE}(?:,|/|,? [yeo]) ?)$"
)
_AND_STATE = late(rf"(?:,|/|,? [yeo]) ?{_STATE}(?!\w)")
_NO_STATE = re.compile(r"(?:Tab|Son|Ver|Camp)\. (?:nueva|cubano|nou|o Word|Luego)")
BOOKS = TABLES.column("books")
NUMBERED_BOOKS = word_list("numbered books") - {"Jn"}  # named only after 1, 2 or 3
_ONSET = r"(?:[bcfgpt][rl]|dr|ch|ll|qu|[bcdfghjklmnñpqrstvwxyz])"
_SYLLABLES = re.compile(
    rf"{_ONSET}?(?:[aeiou]{{1,2}}[bdfglmnprstxz]?{_ONSET})*[aeiou]{{1,2}}[bdfglmnprstxyz]?"
)
LONGEST_ACRONYM = 6  # letters; a longer word in capitals is shouted
_NUMBERED_THINGS = word_list("numbered things")
_REGNAL_NAMES, _FEMALE_NAMES = word_list("regnal names"), word_list("feminine names")
OFFICES = r"(?i:ing|lic|arq|prof|dir|subdir|coord|lcdo|licdo|dr)"
CITIZEN = (
    r"(?:(?<=\b[Ee]l )|(?<=\b[Aa]l )|(?<=\b[Dd]el )|(?<=\b[Ll]os )|(?<=[a-záéíóúñ], ))CC?\."
    r"(?! (?:Comercial|Cultural|Deportivo|Médico|Civil|Penal|Postal)\b)"
    r"(?!(?: [A-ZÁÉÍÓÚÑ][a-záéíóúñ]+){1,5}\s?(?:n\.º|[Nn]o\.|#)?\s?\d)"
    r"(?=(?: [A-ZÁÉÍÓÚÑ][a-záéíóúñ]+){2})"
)
_PREVIOUS_WORD = re.compile(rf"([{LETTERS}]{{1,40}})[.,]?\s{{1,2}}$")
_BEFORE_NUMERALS = re.compile(rf"([{LETTERS}]{{1,40}})\.? (?:[IVX]{{1,5}}(?:,| [yoae]) ){{1,6}}$")
_NEXT_WORD = re.compile(rf"(?:(?:,| [yoe]) [IVX]{{1,5}}\b){{0,6}}\s{{1,2}}([{LETTERS}]{{2,40}})")
_NOUN_BEFORE = re.compile(rf"([{LETTERS}]{{3,40}})\.? (?:m[áí][xn]\. (?:y|o) )?$")
_DEGREES_AFTER = re.compile(r" -?\d{1,2}\s?°")
_CLAUSE_END = re.compile(r"[;:!?\n]|\.\s(?![a-z\d])")  # but not "3 pzas. de 2 kg c/u"
_COUNTED = re.compile(rf"(?<![\w.,$])\d{{1,4}} (?!(?i:mil|de)\b)([{LETTERS}]{{4,40}}s)\b")
_PRICED = re.compile(rf"\b([{LETTERS}]{{4,40}}s) (?:a|por|cuestan|valen|salen|están|desde) \S")
_JOINED = re.compile(r"(?:[^\W\d_]{3}|\d\d)-$")
_SMALL = re.compile("I|[IVX]{2,5}")
_CENTURY = frozenset({"siglo", "siglos", "s", "ss"})
_CENTURIES = re.compile(r"(?i)\bsiglos?\s[ivxlcdm]{1,6}\s(?:y|e|a|al|o|u)\s$")
_LETTERED = rf"\b(?:{TABLES.any_of('have letters')})"
_LETTERED_BEFORE = late(
    rf"(?i){_LETTERED}(?: correct[ao])?(?:,? es)?(?: la)?:? $|\d\.?[º°] $"
    rf"|{_LETTERED} \d{{1,4}}(?: |[-–])$"
)
_ONLY_LETTER_BEFORE = late(r"(?i)\b(?:sexo|tallas?|clase|serie): ?$|\b(?:sexo|tallas?) $")
_THE_LETTER_BEFORE = late(
    r"(?i)\b(?:es|sea|será|era|marc\w{1,3}|eli[jg]\w{1,3}|letra|opción|respuesta):? la $"
)
_NAME_ALONE_AFTER = late(r"\.\s[A-ZÁÉÍÓÚÑ][a-záéíóúñ]{1,20}(?:$|[.,;)]|\s[A-ZÁÉÍÓÚÑ])")
_STREET_BEFORE = late(r"(?i)(?:^|\b(?:en|de|por|a|con|entre|hasta|hacia|dirección|esq\.),?:? )$")
_FIRST_WORD = re.compile(
    rf"\.\s([{LETTERS}]{{1,20}})(?!(?:\s(?:l[ao]s?|del?|el))?\s(?:l[ao]s?\s)?[A-ZÁÉÍÓÚÑ])"
)
_OF_STREET = late(
    r"\.?(?:\s(?:[A-ZÁÉÍÓÚÑ][a-záéíóúñ]{1,20}|[A-Z]\.|del?|l[ao]s?)){1,4},?\s(?:#|[Nn][oº.]|\d)"
)
_OTHER_BOOKS = word_list("books named as people or things")
_OF_BIBLE = late(
    rf"(?i)\b(?:{TABLES.any_of('of the bible')})\b|(?-i:\b(?:Mt|Mc|Lc|Jn|Gn|Hch|Cor|Rm)\.? \d)"
)
_RANGE_OF_VERSES = re.compile(r"\d,\d{1,3}[-–]\d")
_LETTER = r"(?<![\w.-])[A-Z](?![\w.-])"
_LISTED = re.compile(
    rf"(?![IVX]){_LETTER}(?:,| y| o) {_LETTER}|{_LETTER}(?:,| y| o) (?![IVX]){_LETTER}"
)
ROMAN_ITEM = r"(?:(?<![^\n\f])|(?<=[.,;:] ))([IVX]{1,5})\.-?(?= [A-ZÁÉÍÓÚÑ¿])"
_ROMAN_ITEMS = late(ROMAN_ITEM)
_LONG_WORKS = word_list("long works")
_STARTERS = word_list("sentence starters")
_ARTICLES = frozenset({"el", "la", "del", "las", "los"})
STATES = any_key(_STATES)
BOOKS_KEYS_NUMBERED_BOOKS = any_key(BOOKS.keys() - NUMBERED_BOOKS)
BOOKS_PIECE = any_key(BOOKS)
ROMAN = ROMAN


def letter_words(letters: str) -> list[str]:
    """The names of letters; other characters are skipped.

    A capital, "De", says that it isn't the small word, which has no stress.
    """
    return [word for letter in letters.lower() for word in _NAMES.get(letter, [])]


def acronym_words(written: str) -> list[str]:
    """Capitals -> a word where one can say it, otherwise the names of the letters."""
    stem = written.removesuffix("s") if written[:-1].isupper() else written
    if known := ACRONYMS.get(written) or ACRONYMS.get(stem):
        return known
    return [stem.lower()] if len(stem) > 2 and sayable(stem) else letter_words(stem)


spelled = letter_words  # of modules that aren't converted yet


def sayable(written: str) -> bool:
    """Whether its letters make syllables that Spanish has."""
    return _SYLLABLES.fullmatch(written.lower()) is not None


def _previous_word(match: re.Match[str]) -> str:
    found = _PREVIOUS_WORD.search(text_before(match, 42))
    return found[1] if found else ""


def roman(match: re.Match[str]) -> list[str] | None:
    value, previous = roman_value(match[0]), _previous_word(match)
    start, end = match.span()
    of_long = match[0] in ("L", "C") and previous.lower() in _LONG_WORKS  # capítulo L, canto C
    if value is None or (match[0] in ("M", "D", "C", "L") and not of_long):  # Luis M., sala D
        return None
    if end - start == 1 and _LISTED.search(match.string, max(0, start - 4), end + 5):
        return None  # A, T, C y G; these reach as far as " y B,"
    before = text_before(match, 42)
    head = _BEFORE_NUMERALS.search(before)  # los tomos I, V y X
    named, cardinal = (head[1] if head else previous).lower(), cardinal_words(str(value))
    if _JOINED.search(before) and _SMALL.fullmatch(match[0]):
        return cardinal  # EXANI-II, 2024-III
    if match.string.startswith("-", end) and not _SMALL.fullmatch(match[0]):
        return None
    of_century = named in _CENTURY and (head or len(named) > 2 or not before.endswith(", "))  # S, M
    if of_century or _CENTURIES.search(before):
        return ordinal_words(value) if value <= 10 else cardinal
    if named == "t" and match[0] in ("M", "L", "XL"):  # camiseta T. XL
        return None
    if named in _NUMBERED_THINGS or named.removesuffix("s") in _NUMBERED_THINGS:
        return cardinal
    if named in _REGNAL_NAMES:
        gender = "f" if named.endswith("a") or named in _FEMALE_NAMES else "m"
        return ordinal_words(value, gender) if value <= 10 else cardinal
    if match[0] in ACRONYMS or (len(match[0]) < 4 and not set(match[0]) <= set("IVX")):
        return None  # CD, DC
    article = named in _ARTICLES
    if (head or previous[:1].isupper()) and len(match[0]) > 1 and not article:  # Rocky IV
        return cardinal
    following = _NEXT_WORD.match(match.string, end)  # I, II y V Jornadas
    if following and not following[1].isupper() and (len(match[0]) > 1 or article):
        noun = following[1].lower()
        gender = "f" if named in ("la", "las") else NOUNS.gender(noun)
        words = ordinal_words(value, gender, short=gender == "m" and not noun.endswith("s"))
        return [word + "s" for word in words] if noun.endswith("s") else words
    return cardinal if len(match[0]) > 2 else None


def roman_item(match: re.Match[str]) -> list[str] | None:
    """I. Que es mexicano. II. Que tiene RFC, in a list; but "V. Woolf e I. Asimov"."""
    value, (start, end) = roman_value(match[1]), match.span()
    near = _ROMAN_ITEMS.finditer(match.string, max(0, start - 200), end + 200)
    others = {roman_value(item[1]) for item in near}
    if value is None or others.isdisjoint((value - 1, value + 1)):
        return None
    return with_pause(cardinal_words(str(value)))


def of_woman(match: re.Match[str]) -> list[str] | None:
    """Ing. Laura Méndez, la Lic. Torres."""
    if _previous_word(match).lower() in ("el", "al", "del", "calle", "avenida", "av"):
        return None
    [word] = ABBREVIATION_WORDS[f"{match[1] or match[2]}.".lower()]
    return [word.removesuffix("o") + "a"]


def citizen(match: re.Match[str]) -> list[str]:
    return ["ciudadanos" if match[0] == "CC." else "ciudadano"]


def most_or_least(match: re.Match[str]) -> list[str]:
    """Velocidad máx., máx. 27°: máxima; temperaturas máx. y mín.: máximas y mínimas."""
    said = "máxim" if match[0][1] in "áa" else "mínim"
    noun = _NOUN_BEFORE.search(text_before(match))
    many = "s" * bool(noun and noun[1].endswith("s"))
    of_woman = _DEGREES_AFTER.match(match.string, match.end()) or (
        noun and (noun[1].lower() in ("temp", "vel") or NOUNS.gender(noun[1].lower()) == "f")
    )
    return [said + ("a" if of_woman else "o") + many]


def letter_at_end(match: re.Match[str]) -> list[str] | None:
    """La sala B. Pase; el 14-C. La; es la D. Las; but "la actriz B. Soto", "en C. Las Rosas"."""
    text, before = match.string, text_before(match)
    if _ONLY_LETTER_BEFORE.search(before):
        return letter_words(match[0])
    if match[0] in "LMPS":
        return None
    lettered = _LETTERED_BEFORE.search(before) or _THE_LETTER_BEFORE.search(before)
    if lettered and (sentence_opens_after(match) or not _NAME_ALONE_AFTER.match(text, match.end())):
        return letter_words(match[0])
    if match[0] == "F" or _OF_STREET.match(text, match.end()) or _STREET_BEFORE.search(before):
        return None
    return letter_words(match[0]) if sentence_opens_after(match) else None


def sentence_opens_after(match: re.Match[str]) -> bool:
    """Whether a word that often begins a sentence follows, and no name: La renta, not La Rosa."""
    first = _FIRST_WORD.match(match.string, match.end() - match[0].endswith("."))
    return first is not None and first[1].lower() in _STARTERS


def choice(match: re.Match[str]) -> list[str] | None:
    """B. Quito, C. Bogotá; D. Todas las anteriores; but "C. Morelos 48", "D. Manuel"."""
    before = text_before(match, 120)
    previous = chr(ord(match[0][0]) - 1)
    listed = re.search(rf"(?:^|[\s(]){previous}[.)] [^.]{{1,100}}(?<! y )$", before)
    begins = not before.strip(" ") or before.rstrip(" ")[-1] in "\n\f"
    is_choice = listed or (begins and sentence_opens_after(match))
    street = _OF_STREET.match(match.string, match.end())
    return letter_words(match[0]) if is_choice and not street else None


def book(match: re.Match[str]) -> list[str] | None:
    """Ef 2,8; Sal 23,1, but "sal 1,1" of food."""
    written = match[0].rstrip(".")
    certain = match.string.find(":", match.end(), match.end() + 6) > 0
    certain = certain or match[0] == "Sal."
    return None if not certain and is_other(written, match) else [BOOKS[written]]


def is_other(book: str, match: re.Match[str]) -> bool:
    """Whether the name of a book rather is a person's or a thing's: Juan 7,5, Hb 11,2."""
    text = match.string
    is_range = _RANGE_OF_VERSES.search(text, match.start(), match.end() + 12)
    return book.lower() in _OTHER_BOOKS and not (is_range or _OF_BIBLE.search(text))


def state(match: re.Match[str]) -> list[str] | None:
    """Vive en Ver.; Tab., Camp. y Yuc.; but "hay que ver. Tab es una tecla"."""
    found = _IN_STATE.search(text_before(match)) or _AND_STATE.match(match.string, match.end())
    return _STATES[match[0]] if found and not _NO_STATE.match(match.string, match.start()) else None


def each(match: re.Match[str]) -> list[str]:
    """C/u: agrees with what is counted, 3 cajas de 2 kg c/u, camisas a $200 c/u."""
    clause = _CLAUSE_END.split(text_before(match, 80))[-1]
    counted = _COUNTED.search(clause) or _PRICED.search(clause)
    gender = NOUNS.gender(counted[1].lower()) if counted else "m"
    return ["cada", "una" if gender == "f" else "uno"]


def why(match: re.Match[str]) -> list[str] | None:
    """Xq no me avisaste?; but "no fui xq llovía"."""
    before = text_before(match, 3).rstrip()
    return ["por", "qué"] if not before or before[-1] in "¿.!?,\n" else None


def abbreviations_13(match: re.Match[str]) -> list[str] | None:
    return letter_words(match[0]) if _previous_word(match)[:1].isupper() else None


def abbreviations_15(match: re.Match[str]) -> list[str] | None:
    return letter_words(match[0])
