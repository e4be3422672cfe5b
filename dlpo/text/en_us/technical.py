"""What engineers write -> spoken words: terms, addresses, paths, versions, hashes, flags.

Terms are listed in technical.tsv: a lower-case one matches any case, the others only as written.
".py" is the end of a file's name, "/src" a folder.
"""

from __future__ import annotations

import re

from dlpo.text.common import addresses
from dlpo.text.common.forms import digits_in_groups, text_before
from dlpo.text.common.markdown import CODE_BLOCK
from dlpo.text.common.patterns import late
from dlpo.text.en_us.joined import with_initial, words_apart
from dlpo.text.en_us.numbers import cardinal_words, code_words, digit_words, pair_words
from dlpo.text.en_us.pronounce import lexicon
from dlpo.text.en_us.tables import TABLES, table, word_list

_SIGNS = {sign: said.split() for sign, (_, said, _) in table("signs").items() if said}
TERMS = TABLES.words("technical")
_CALLED_HASH = late(
    r"(?i)\b(?:hash|uuid|guid|checksum|digest|commit|sha-?\d{0,3})(?: (?:is|was|of))?:? $"
)
SPELLED = 8  # characters of the longest hash that is spelled; of longer ones the first four are
_TOP_LEVEL = "com|org|net|edu|gov|mil|int|info|io|ai|dev|app|co|uk|us|eu|de|fr|ca|tv|me|biz|museum"
_SHORT_WORDS = word_list("words of two letters")
_SPELLED_ENDINGS = word_list("spelled endings")
_NO_WORDS = re.compile(r"[A-Za-z]+|\d+|[./]\w+")  # terms that other forms look up
NAME = r"[\w.+-]{0,60}\w"  # of a file or a folder
_WRITTEN = sorted((key for key in TERMS if not _NO_WORDS.fullmatch(key)), key=len, reverse=True)
ENDINGS = "|".join(sorted((k[1:] for k in TERMS if re.fullmatch(r"\.\w+", k)), reverse=True))
_NO_ONSET = late(  # of nyc, mta and nba
    r"(?i)(?![bcfgkps]l|[bcdfgkptw]r|[sct]h|s[ckmnpqtw]|[dtk]w|ph|wh|kn|gn)[^aeiou]{2}"
)
_ONE_NAME = re.compile(r"([A-Za-z]+)([\d._]*)")  # of a person, with numbers
_LONG_NAME = 5  # letters
_ROOTS = word_list("roots of names in code")
_IN_CODE = re.compile(r"[_\d]|[a-z][A-Z]")
_INSIDE_NAME = re.compile(r"(?<=[A-Za-z][a-z])(?<!Mc)(?<!Mac)(?=[A-Z][a-z]{2})")  # My|File
CODE_BLOCK = CODE_BLOCK
MAP_RE_ESCAPE__WRITTEN = "|".join(map(re.escape, _WRITTEN))
ADDRESSES_MAIL = addresses.MAIL
ADDRESSES_WEB__TOP_LEVEL = addresses.web(_TOP_LEVEL)
SHORT_LINKS = TABLES.any_of("short links")


def term_words(written: str) -> list[str] | None:
    """The words of a technical term, such as ``"JSON"`` or ``"APIs"``; None for other words."""
    if written.islower():  # most words; only capitals show that an ending is one
        return [*said] if (said := TERMS.get(written)) else None
    for ending in ("", "'s", "s"):
        stem = written.removesuffix(ending)
        said = TERMS.get(stem) or TERMS.get(stem.lower())
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
    """The words of a path with its slashes and points."""
    return _spoken(_INSIDE_NAME.sub(" ", written), silent="-_")


def mail(match: re.Match[str]) -> list[str]:
    """A mail address; jsmith@ is J. Smith, but arun.sharma@ has no initial."""
    local, at, host = match[0].partition("@")
    if named := _ONE_NAME.fullmatch(local):
        local = " ".join([*with_initial(named[1]), named[2]])
    return _spoken(local + at + host)


def name(match: re.Match[str]) -> list[str] | None:
    """A name on a site, or a hashtag, in small letters without spaces."""
    of_person = match.string[match.start() - 1] == "@"
    words = with_initial(match[0], _LONG_NAME) if of_person else words_apart(match[0])
    return [*words] if len(words) > 1 else None


def dotted_name(match: re.Match[str]) -> list[str] | None:
    """resources.limits.memory, sys.argv, app.userName; but "Worst.movie.ever", "window.she"."""
    parts = match[0].split(".")
    as_in_code = any(_IN_CODE.search(part) for part in parts)
    rooted = parts[0] in _ROOTS and (len(parts) > 2 or parts[0] not in lexicon())
    unknown = any(len(part) > 3 and part not in lexicon() for part in parts[1:])
    if not (as_in_code or rooted or (unknown and parts[0] in lexicon() and parts[0].islower())):
        return None
    return _spoken(re.sub("(?<=[a-z])(?=[A-Z])", " ", match[0]), silent="_")


def address(match: re.Match[str]) -> list[str]:
    written = addresses.said_part(match[0])
    host = written.partition("/")[0].partition(":")[0]
    return _spoken(written, silent="-_" if re.fullmatch(r"[\d.]+", host) else "")


def spelled(written: str) -> list[str]:
    """Letters and digits one by one."""
    return [
        one.upper() if one.isalpha() else digit_words(one)[0] for one in written if one.isalnum()
    ]


def hash(match: re.Match[str]) -> list[str]:
    """Hash starting nine f eight six; after a word for it, nine f eight six and so on."""
    kind = ["zero", "X"] if match[0].startswith("0x") else []
    digits = match[0].removeprefix("0x")
    if len(digits) > SPELLED:
        if _CALLED_HASH.search(text_before(match, 24)):
            return [*spelled(digits[:4]), "and", "so", "on"]
        kind = list("UUID") if "-" in digits else kind or ["hash"]
        return [*kind, "starting", *spelled(digits[:4])]
    return kind + spelled(digits)


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


def phone(match: re.Match[str]) -> list[str]:
    """The digits of each group, with a pause after it."""
    words = ["plus"] if match[0].startswith("+") else []
    free = re.fullmatch(r"\+?1[ .-]\(?800\)?(.*)", match[0])
    if free:
        words += ["one", "eight", "hundred,"]
    return words + digits_in_groups(free[1] if free else match[0], digit_words)


def oil(match: re.Match[str]) -> list[str]:
    """5W-30, 0W20: a grade of motor oil."""
    return [*cardinal_words(match[1]), "W", *cardinal_words(match[2])]


def tire(match: re.Match[str]) -> list[str]:
    """P225/65R17: two twenty five, sixty five, R seventeen."""
    words = [*match[1], *code_words(match[2]), *cardinal_words(match[3])]
    return [*words, "R", *cardinal_words(match[4])]


def code_block(match: re.Match[str]) -> list[str]:
    return [*_spoken(match["language"], silent="-_."), "code", "block"]


def technical_5(match: re.Match[str]) -> list[str] | None:
    return TERMS[match[0]]


def technical_6(match: re.Match[str]) -> list[str] | None:
    return _spoken(match[0])


def technical_10(match: re.Match[str]) -> list[str] | None:
    return _spoken(match[0], silent="_")


def technical_13(match: re.Match[str]) -> list[str] | None:
    return path_words(match[0])


def technical_15(match: re.Match[str]) -> list[str] | None:
    return spelled(match[0])


def technical_16(match: re.Match[str]) -> list[str] | None:
    return version_words(match[0])


def technical_17(match: re.Match[str]) -> list[str] | None:
    return ["dash"] * len(match[0])


def technical_18(match: re.Match[str]) -> list[str] | None:
    return [*match[0].upper()]
