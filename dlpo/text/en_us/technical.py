"""What engineers write -> spoken words: terms, addresses, paths, versions, hashes.

Terms are listed in technical.tsv: a lower-case one matches any case, the others only as written.
".py" is the end of a file's name, "/src" a folder.
"""

from __future__ import annotations

import re

from dlpo.text.common import addresses
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.joined import with_initial, words_apart
from dlpo.text.en_us.numbers import cardinal_words, code_words, digit_words, pair_words
from dlpo.text.en_us.pronounce import lexicon
from dlpo.text.en_us.tables import TABLES, table, word_list

_SIGNS = {sign: said.split() for sign, (_, said, _) in table("signs").items() if said}
TERMS = TABLES.words("technical")
_KEYS = {"*": "star", "#": "pound"}
_SHORT_WORDS = word_list("words of two letters")
_SPELLED_ENDINGS = word_list("spelled endings")
_NO_WORDS = re.compile(r"[A-Za-z]+|\d+|[./]\w+")  # terms that other forms look up
WRITTEN_TERMS = any_key(key for key in TERMS if not _NO_WORDS.fullmatch(key))
ENDINGS = any_key(key[1:] for key in TERMS if re.fullmatch(r"\.\w+", key))
_NO_ONSET = late(  # of nyc, mta and nba
    r"(?i)(?![bcfgkps]l|[bcdfgkptw]r|[sct]h|s[ckmnpqtw]|[dtk]w|ph|wh|kn|gn)[^aeiou]{2}"
)
_ONE_NAME = re.compile(r"([A-Za-z]+)([\d._]*)")  # of a person, with numbers
_LONG_NAME = 5  # letters
_INSIDE_NAME = re.compile(r"(?<=[a-z])(?=[A-Z])")  # my|File


def term_words(written: str) -> list[str] | None:
    """The words of a technical term, such as ``"JSON"`` or ``"APIs"``; None for other words."""
    if written.islower():  # most words; only capitals show that an ending is one
        return [*said] if (said := TERMS.get(written)) else None
    for ending in ("", "'s", "s"):
        stem = written.removesuffix(ending)
        is_plural = not ending and stem[:-1].isupper() and stem[-1] == "s"  # VPs is no vps
        said = TERMS.get(stem) or (None if is_plural else TERMS.get(stem.lower()))
        if said and (not ending or (stem != written and not stem.islower())):
            *first, last = said
            return [*first, last + (ending and "'s" if len(last) == 1 else ending)]
    return None


def _plain(letters: str) -> list[str]:
    """A word, or the words of a name without spaces; its letters where no word begins so."""
    if len(letters) == 2:
        return [letters.lower()] if letters.lower() in _SHORT_WORDS else list(letters.upper())
    if len(letters) == 3 and _NO_ONSET.match(letters) and letters.lower() not in lexicon():
        return list(letters.upper())
    is_word = len(letters) > 1 and (len(letters) > 4 or re.search("(?i)[aeiouy]", letters))
    return [*words_apart(letters)] if is_word else list(letters.upper())


def _spoken(written: str, silent: str = "") -> list[str]:
    """The words of an address or a path, with its signs except those in `silent`."""
    words: list[str] = []
    sign = ""
    for part in re.findall(r"[A-Za-z]+|\d+|[^\w\s]|_", written):
        if part in _SIGNS:
            words += [] if part in silent else _SIGNS[part]
        elif part.isdigit():
            grouped = silent or sign == ":"
            long = code_words(part) if grouped else digit_words(part)
            words += cardinal_words(part) if len(part) < 3 else long
        elif part.lower() in _SPELLED_ENDINGS and sign == ".":
            words += list(part.upper())
        elif part.isalpha():
            own = TERMS.get(sign + part.lower()) if silent or sign == "." else None
            own = own[1:] if own and words[-1:] == ["dot"] == own[:1] else own
            words += own or term_words(part) or _plain(part)
        sign = part
    return words


def path_words(written: str) -> list[str]:
    """The words of a path, or of a name in code, with its slashes and points."""
    return _spoken(_INSIDE_NAME.sub(" ", written), silent="-_")


def mail_words(written: str) -> list[str]:
    """A mail address; jsmith@ is J. Smith, but arun.sharma@ has no initial."""
    local, at, host = written.partition("@")
    if named := _ONE_NAME.fullmatch(local):
        local = " ".join([*with_initial(named[1]), named[2]])
    return _spoken(local + at + host)


def address_words(written: str) -> list[str]:
    """Of a page on the web, or a name there: www.example.com/news, @jane.doe."""
    said = addresses.said_part(written)
    host = said.partition("/")[0].partition(":")[0]
    return _spoken(said, silent="-_" if re.fullmatch(r"\d+\.[\d.]+", host) else "")


def name(match: re.Match[str]) -> list[str] | None:
    """A name on a site, or a hashtag, in small letters without spaces."""
    of_person = match.string[match.start() - 1] == "@"
    words = with_initial(match[0], _LONG_NAME) if of_person else words_apart(match[0])
    return [*words] if len(words) > 1 else None


def spelled_words(written: str) -> list[str]:
    """Letters, digits and the keys of a telephone, ``*`` and ``#``, one by one."""
    named = (_KEYS.get(one) or "".join(digit_words(one)) or one.upper() for one in written)
    return [word for word in named if word[0].isalnum()]


def version_words(written: str) -> list[str]:
    """A version part by part: 3.11 is three point eleven, 22.04 twenty two point oh four."""
    words: list[str] = []
    for point, part in re.findall(r"((?<=\d)\.)?([A-Za-z]+|\d+)", written):
        words += ["point"] * bool(point)
        if part.isdigit():
            words += pair_words(part) if point and len(part) == 2 else cardinal_words(part)
        else:
            words += ["version"] if part == "v" else term_words(part) or _plain(part)
    return words
