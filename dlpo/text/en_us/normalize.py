"""Written text -> tokens, each with the words it is spoken as and its place in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Container

from dlpo.text.common.forms import FormReader, text_before
from dlpo.text.common.patterns import late, while_reading
from dlpo.text.common.rows import forms_of, rows_of
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.abbreviations import ABBREVIATIONS, IN_CONTEXT
from dlpo.text.en_us.heteronyms import heteronyms
from dlpo.text.en_us.interjections import plain_word
from dlpo.text.en_us.tables import TABLES, table, word_list
from dlpo.text.en_us.technical import term_words

# Words and abbreviations that some form may read.
_HAVE_FORMS = set(filter(str.isalpha, IN_CONTEXT.keys)) | word_list("have forms")
PLAIN = (
    rf"(?<![\w.@#'=])(?<!\s-)(?<!=\s)(?!(?:[ivxl]{{1,7}}|{any_key(_HAVE_FORMS)})\b)"
    r"(?=[a-z']{0,40}[aeiouy]|(?:th|st|nd|rd)\b)[a-z]{2,40}(?:'[a-z]{1,3})?"
    r"(?=[ ,;!?\n]|:\s|(?<=[a-z]{7})\.\s)"
)
PLAIN_CAPITAL = (  # what no form but the last could match: most words that begin a sentence
    rf"(?<![\w.@'-])(?!(?:{any_key(_HAVE_FORMS | word_list('have forms in capitals'))})\b)"
    r"[A-Z][a-z]{2,40}(?=[,;!?]?\s[A-Za-z])"
)
UNKNOWN_ABBREVIATION = r"\b[A-Za-z]{2,5}\.(?=\s#?[\da-z])"
DROPPED_G = r"\b[A-Za-z]{2,20}in'(?![A-Za-z])"
CLIPPED = r"(?<![\w'])(?i:'n'|'(?:tis|twas|em|cause|bout|til)\b|th'(?!\w))"
WORD = r"[A-Za-z]{1,60}(?:'[A-Za-z]{1,20}){0,3}"
# Those that are read anywhere; rows have the others and what must be beside them.
SIGN = any_key({sign for sign, (said, _, _) in table("signs").items() if said} - {*"#~^<>*/"})
_BEGIN = (
    r"(?P<a>[a-z])|(?P<A>[A-Z])|(?P<d>\d)|'(?=\d|[nN]'|(?:tis|twas|em|cause|bout|til)\b)"
    r"|\.(?=[\w./])|(?<=\s)\.(?=\s{1,2}[a-z]|\.(?:\s|$))|!(?==|,\s[@#$%^&*]|(?<=\d!)(?:\s?[=*×/]|\s(?:is|equals)\s\d))|[^\s.,;:!?\"')\]}]|[,;:)\]}](?=['\"])|\s(?=[-–])"
)
_ACRONYM_LETTERS = 5  # a longer unknown word in capitals is more often a shouted word
_PRONOUNCEABLE = re.compile(r"[^AEIOU]{0,2}[AEIOU][^AEIOU]{1,2}[AEIOU][^AEIOU]{0,2}")  # COVID
_CAMEL = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+(?:'[a-z]+){0,3}|[A-Z](?:'s)?")
_INFLECTED = late(r"([A-Z]{2,6})(ing|ed)")
_SCOTTISH = late(r"Mc[A-Z][a-z]{2,20}")  # McKellen
_READ_AS_LETTERS = word_list("read as letters")
_LETTERS_IN_CAPITALS = word_list("letters in capitals")  # also where all text is in capitals
_DROPS_G = word_list("drop their g")
_ARTICLE_BEFORE = re.compile(r"\s{1,3}[\w\"'($]")
_is_lower = while_reading(8)(str.islower)  # each abbreviation of a text asks
_LOWER_BEFORE = late(  # not in a title
    r"(?:(?:^|[^A-Za-z'])[a-z]{1,30}(?:'[a-z]{1,2})?,?"
    r"|\b(?:A|I|The|Some|More|Many|Most|My|Our|Your|His|Her|Their|This|That|These|Those|In|For|From"
    r"|He|She|We|They|Is|Are|Two)) $"
)
READER = FormReader(
    _BEGIN, forms_of(rows_of(TABLES, "dlpo.text.en_us"), {1980: IN_CONTEXT.form}), r"'[sS](?![\w'])"
)


def word_of(
    match: re.Match[str], given: Container[str], capitals: bool, listed: Callable[[str], bool]
) -> list[str] | None:
    """The words of a run of letters, see `FormLanguage.word`.

    ``listed``: whether a lexicon has a lower-case word; an unknown word in capitals is read letter
    by letter.
    """
    written, text = match[0], match.string
    if match.re.pattern == PLAIN:
        if written.lower() in given:
            return [written]
        if term := term_words(written if capitals else written.lower()):
            return term
        if listed(written):
            return [written]
        if written in ABBREVIATIONS:
            return ABBREVIATIONS[written]
        plain = plain_word(written, listed)
        return _words_of(plain, given, listed, capitals) if plain else [written]
    if match.re.pattern == DROPPED_G:
        stem = written[:-1].lower()
        is_verb = listed(stem + "g") and (not listed(stem) or stem in _DROPS_G)
        return [written.lower()] if is_verb else None
    if match.re.pattern == UNKNOWN_ABBREVIATION:
        stem = written[:-1].lower()
        term = term_words(written[:-1]) if not listed(stem) and stem not in given else None
        is_one = term and len(term) == 1 and len(term[0]) > 2 and term != [stem]
        if is_one and not _is_lower(text):  # the std. deduction, lvl. 60
            return term
        if text[match.end() + 1].isalpha():
            return None
        known = stem in given or listed(stem) or term_words(written[:-1]) or stem in ABBREVIATIONS
        is_other = known or f"{stem}." in ABBREVIATIONS or written[:-1].isupper()
        return None if is_other else _words_of(written[:-1], given, listed, capitals)
    if not capitals and written.isupper() and written.lower() not in given:
        before = text_before(match, 3).rstrip(" ")[-1:]
        opens = written == "US" and not (before.isalnum() or before == ",")
        if opens or written.lower() in _LETTERS_IN_CAPITALS:
            return _letters(written, "")
    if written in heteronyms() and capitals and _LOWER_BEFORE.search(text_before(match)):
        return [written]
    words = _words_of(written, given, listed, capitals)
    if words == ["A"]:  # "A cat" and "a cat", but not "option A is" or "plan A."
        before = text[max(0, match.start() - 2) : match.start()]
        if before[-1:].isdigit():  # Exit 23A toward
            return words
        inside = written == "A" and before[:1].islower() and before[1:] == " "
        follows = _ARTICLE_BEFORE.match(text, match.end())
        if (not capitals and follows) or (not inside and follows):
            return ["a"]
    return words


def _words_of(
    written: str, given: Container[str], listed: Callable[[str], bool], capitals: bool
) -> list[str]:
    """A run of letters and apostrophes -> words: plain, expanded, spelled or split at capitals.

    ``capitals``: whether capitals mean something.
    """
    word = written.lower()
    term = None if word in given else term_words(written if capitals else word)
    is_letters = capitals and written in _READ_AS_LETTERS  # CTR, but ctr
    if known := term or (None if is_letters else ABBREVIATIONS.get(word)):
        return known
    if capitals and not listed(word) and (found := _INFLECTED.fullmatch(written)):  # RSVPing
        *first, last = _words_of(found[1], given, listed, capitals)
        return [*first, last + "'" * (len(last) == 1) + found[2]]
    if len(written) == 1:
        return ["i" if word == "i" else written.upper()]
    plain = "" if word in given else plain_word(written, listed)
    if plain and plain != word:
        return _words_of(plain, given, listed, capitals)
    stem, apostrophe, ending = written.partition("'")
    if len(stem) == 1 and ending not in ("", "s", "S"):  # d'Arc, I'd've: one word
        return [word]
    has_vowel = not set("aeiouy").isdisjoint(stem.lower())
    if stem.isupper() and capitals and stem in _READ_AS_LETTERS:
        return _letters(stem, apostrophe + ending)
    if stem[-1] == "s" and stem[:-1] in _READ_AS_LETTERS and capitals and not ending:  # ERAs
        return _letters(stem[:-1], "'s")
    if word in given or listed(word) or (written == word and has_vowel):
        return [word]
    if stem[-1] == "s" and stem[:-1].isupper() and len(stem) > 2 and not ending:  # CPUs
        return _letters(stem[:-1], "'s")
    acronym = stem.isupper() and not _PRONOUNCEABLE.fullmatch(stem)
    if len(stem) <= _ACRONYM_LETTERS and (acronym or not has_vowel):  # SQL, mp
        return _letters(stem.upper(), apostrophe + ending)
    if _SCOTTISH.fullmatch(stem):
        return [word]
    parts = _CAMEL.findall(written) if not stem.isupper() else []
    if len(parts) > 1:
        return [spoken for part in parts for spoken in _words_of(part, given, listed, capitals)]
    return [word]


def _letters(letters: str, ending: str) -> list[str]:
    """``("FBI", "'s")`` -> F, B, I's: each letter to be named, the ending on the last one."""
    return [*letters[:-1], letters[-1] + ending.lower()]
