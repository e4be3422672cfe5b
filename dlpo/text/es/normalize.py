"""Written text -> tokens, each with the words it is spoken as and its place in the text."""

from __future__ import annotations

import re
from collections.abc import Container

from dlpo.text.common.forms import FormReader, text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.rows import forms_of, rows_of
from dlpo.text.common.tables import any_key
from dlpo.text.es import abbreviations
from dlpo.text.es.abbreviations import (
    ABBREVIATION_WORDS,
    ACRONYMS,
    CAPITAL_PARTS,
    LETTERS,
    LONGEST_ACRONYM,
    acronym_words,
    letter_words,
    sayable,
)
from dlpo.text.es.english import english_syllables, is_listed
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.tables import EXCEPTIONS, NOUNS, TABLES

sign_words = TABLES.words("signs").__getitem__
SIGN = r"[=!]==|[<>!=]=|=>|->|&&|[&+=%@°º©§×÷±→≈≤≥≠$£€¥¢]|#(?=\w)|~(?=[$€]?\d)|[√π∞]"
# Words and abbreviations that some form may read.
_HAVE_FORMS = TABLES.word_list("have forms")
_HAVE_FORMS |= {*filter(str.isalpha, {*abbreviations.IN_CONTEXT.keys, *ABBREVIATION_WORDS})}
PLAIN = (
    rf"(?<![\w.@])(?=[a-zñ]{{0,9}}[aeiouyáéíóúü])(?!(?:et al|{any_key(_HAVE_FORMS)})\b)"
    r"[a-záéíóúüñ]{2,60}(?=[ ,;!?\n](?!\(| -[ao]))"
)
WORD = rf"[{LETTERS}]{{1,60}}(?:'[{LETTERS}]{{1,20}}){{0,3}}"
MIXED = any_key(acronym for acronym in ACRONYMS if not acronym.isalpha())  # SpO2
_VOWEL = re.compile("[aeiouyáéíóúü]")
_SPOKEN_LETTERS = frozenset("aeouy")  # words of one letter
_STRETCHED = re.compile(r"([^\W\d_])(?:\1\1{1,40}|(?<=[a-zñ]a)a\b)")
_SOUNDS = {"hm": "hmm", "mm": "mmm", "zz": "zzz"}
_SMALL_WORDS = TABLES.word_list("unstressed")
_EMPHASIZED = TABLES.word_list("words of two letters")
_SMALL_AFTER = late(rf" (?!(?:{TABLES.any_of('after an acronym')})\b)[a-záéíóúñ]{{2,20}}")
_CAPITALS_BEFORE = late(rf"(?<![{LETTERS}])[A-ZÁÉÍÓÚÑ]{{4,20}} $|[ÁÉÍÓÚ][A-ZÁÉÍÓÚÑ]{{1,20}} $")
_CAPITALS_AFTER = late(rf" [A-ZÁÉÍÓÚÑ]{{3,20}}(?![{LETTERS}\d])")
_ONLY_ONCE = TABLES.word_list("only once")
_BOTH = TABLES.word_list("of both")
_ENDS_OF_BOTH = re.compile(  # the end of a word, a slash and what else it ends in
    r"(?:.[oelnrz]|[éó]s)/as?|os/as|.a/o|as/os|.[^aeiouáéíóúy]/es|.[^s]/s"
)
_WITHOUT_ACCENTS = str.maketrans("áóíú", "aoiu")
_SPANISH = late(
    rf"(?=[a-zñ]{{0,9}}[aeiou])(?!(?:{TABLES.any_of('parts of paths')})$)[a-zñ]{{2,19}}[aeoslnrdz]"
)
_ARTICLES = frozenset(("el", "él", "la", "ella", "los", "las", "al", "del"))
_WORD_BEFORE = re.compile(rf"[{LETTERS}]{{2,20}}$")
_WORD_AFTER = re.compile(rf"[{LETTERS}]{{2,20}}\b")
READER = FormReader(
    r"(?P<a>[a-záéíóúüñç])|(?P<A>[A-ZÁÉÍÓÚÜÑÇ])|(?P<d>\d)|!(?==|(?<=[\dn]!)\s?[=*×·/y])|[^\s.,;:!?\"')\]}]"
    r"|(?<![\w.])\.(?=[a-z\d]{2,12}\b)|[\"'](?<=\d.)|\s(?=[-–])|:(?<=\d:)(?=\d)",
    forms_of(
        rows_of(TABLES, "dlpo.text.es"),
        {2460: abbreviations.IN_CONTEXT.form, 2550: abbreviations.ABBREVIATIONS.form},
    ),
)


def ordered(match: re.Match[str]) -> list[str]:
    """2x tacos, 1x agua."""
    gender = NOUNS.gender_at(match.string, match.start(), match.end())
    return cardinal_words(match[1], gender or "m")


def either(match: re.Match[str]) -> list[str] | None:
    """Usuario(a), niños/as, día(s); but trabajadores(as) as "trabajadores y trabajadoras"."""
    word, end = match[1].lower(), match[2] or match[4]
    if word in _ONLY_ONCE or not _ENDS_OF_BOTH.fullmatch(f"{word[-2:]}/{end}"):
        return None
    added = match[3] or ""
    stem = re.sub("(?:[oa]|e(?=s?$))?s?$", "", word) if end[0] in "ao" else word
    other = (stem.translate(_WITHOUT_ACCENTS) if stem[-1:] == "n" else stem) + end + added
    if added or match[2] == "as":
        return [word + added, "e" if other.startswith(("i", "hi")) else "y", other]
    return [word, "u" if other.startswith(("o", "ho")) else "o", other]


def of_both(match: re.Match[str]) -> list[str] | None:
    """Amig@s, profesor@s; but "info@"."""
    stem = match[1].lower()
    if stem not in _BOTH and (not match[2] or stem[-1] in "aeo"):
        return None
    return [stem + ("e" if stem.endswith(("or", "nt")) else "o") + match[2]]


def _around(match: re.Match[str]) -> tuple[str, str]:
    """The words on both sides of a slash."""
    before = _WORD_BEFORE.search(text_before(match))
    after = _WORD_AFTER.match(match.string, match.end())
    return (before[0], after[0]) if before and after else ("", "")


def genders(match: re.Match[str]) -> list[str] | None:
    """The slash of niños/niñas, el/la."""
    words = {word.lower() for word in _around(match)}
    stems = {re.sub("[oae]?s?$", "", word) for word in words}
    return ["o"] if len(words) == 2 and (len(stems) == 1 or words <= _ARTICLES) else None


def pair(match: re.Match[str]) -> list[str] | None:
    """The slash of negro/blanco, but not of src/main or AC/DC."""
    words = _around(match)
    return [] if all(map(_is_spanish, words)) and not "".join(words).isupper() else None


def _is_spanish(word: str) -> bool:
    """Whether a word looks so, unlike parts of a path: src, utils, main."""
    lower = word.lower()
    return not lower.isascii() or bool(_SPANISH.fullmatch(lower) and not english_syllables(lower))


def sound(match: re.Match[str]) -> list[str]:
    """Hmm, mmmm, shhh: as pronunciations.tsv has them."""
    written = _STRETCHED.sub(r"\1\1", match[0].lower())
    return [_SOUNDS.get(written, written)]


def _unstretched(written: str) -> str:
    """No Spanish word has a letter three times or ends in aa: "holaaaa" is "hola"; but "Saa"."""
    plain = _STRETCHED.sub(r"\1", written)
    return plain if len(plain) > 1 and _VOWEL.search(plain.lower()) else written


def word_of(match: re.Match[str], given: Container[str], capitals: bool) -> list[str]:
    """The words of a run of letters, see `FormLanguage.word`."""
    written = _unstretched(match[0].replace("'", ""))
    is_joined = "_" in (match.string[match.end() : match.end() + 1], text_before(match, 1))
    is_word = len(match[0]) > 2 and _VOWEL.search(match[0].lower())
    if is_joined and is_word and is_listed(match[0].lower()):  # DB_HOST
        return [match[0].lower()]
    if match.re.pattern == PLAIN or match[0].lower() in given:
        return [match[0].lower()] if match[0].lower() in given else [written]
    if len(written) == 1:
        return _letter(written, match, capitals)
    in_capitals = written.isupper() and (_among_capitals(match) or _stressed_by_capitals(match))
    if in_capitals or (written.isupper() and not written.isascii()):
        return [written.lower()]  # CIUDAD DE MÉXICO, es MI casa, BOGOTÁ
    return _words_of(written, capitals)


def _among_capitals(match: re.Match[str]) -> bool:
    """Whether a small word is part of a name in capitals."""
    return match[0].lower() in _SMALL_WORDS and (
        _CAPITALS_BEFORE.search(text_before(match)) is not None
        or _CAPITALS_AFTER.match(match.string, match.end()) is not None
    )


def _letter(written: str, match: re.Match[str], capitals: bool) -> list[str]:
    """One letter: a word such as y, also where a sentence begins with it, or its name."""
    if written.lower() in _SPOKEN_LETTERS:
        before = text_before(match).rstrip(" ¿¡\"'(—\n\f")
        if written.islower() or not before or before[-1] in ".!?:" or not capitals:
            return [written.lower()]
    return letter_words(written)


def _stressed_by_capitals(match: re.Match[str]) -> bool:
    """Es MI casa, YO; but "vive en LA", "iPhone SE", "norma EN 71"."""
    word = match[0].lower()
    return word in _EMPHASIZED and (
        word == "yo" or _SMALL_AFTER.match(match.string, match.end()) is not None
    )


def _words_of(written: str, capitals: bool) -> list[str]:
    """A run of letters -> words: plain, as an acronym, or split at capitals."""
    if written.lower() in EXCEPTIONS:
        return [written.lower()]
    if written in ACRONYMS and (capitals or not sayable(written)):
        return ACRONYMS[written]
    stem = written.removesuffix("s")
    if capitals and len(stem) > 1 and stem.isupper() and len(stem) <= LONGEST_ACRONYM:
        return acronym_words(written)
    unsayable = len(stem) < 5 and stem.isupper() and stem.isascii() and not sayable(stem)  # shouted
    if unsayable or not _VOWEL.search(written.lower()):
        return letter_words(written)
    parts = CAPITAL_PARTS.findall(written) if not written.isupper() and written.isascii() else []
    if len(parts) > 1:
        return [said for part in parts for said in _words_of(part, capitals)]
    return [written.lower()]
