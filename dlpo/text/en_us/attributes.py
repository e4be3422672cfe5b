"""Measures and amounts that describe a noun: a $20 bill, a 5-lb bag, the 64,000-dollar question."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.tables import any_of, word_list

_DETERMINER = late(
    rf"(?i)(?:^|[^\w'])(?:({any_of('articles')})|{any_of('determiners')})"
    r"((?:[ ,]{1,2}[\w.-]{1,14}){0,2})[ ,]{1,2}[-$£€¥₹]?(?:\d{1,5}(?:\.\d{1,2})?"
    r"(?: ?1/2)?(?: ?\"| ?[cm]?m| ?in| ?ft)? ?[x×] ?){0,2}$"
)
_FOLLOWING = late(
    r"[.\"]?\)?[ -](?:(?:fast|wireless|wired|quick|power)[ -](?=charg)"
    r"|late (?=fees?\b|charges?\b|penalt)|(?:(?:NVMe|PCIe|SATA|USB|DDR\d|external|portable) ){1,2}"
    r"(?=(?:hard |flash )?(?:SSD|HDD|drive|kit|card|stick)s?\b))?"
    r"([A-Za-z]{1,20}\d{0,2})(?!\w|\.\w)"
)
_WHILE_BEFORE = late(r"(?:^|\s)(?:In|After|Within|At) $")
_AFTER_AMOUNT = late(  # the $1.38 expected; but "the $5 expected fee"
    r"\.?\)? (?:expected|charged|owed|earned|spent|due|paid)"
    r"(?:\s?[,.;:!?)]|\s?$| (?:by|for|in|from|on|at|to|today|last|this|next|with|each|per)\b)"
)
_NO_NOUN = word_list("no nouns")
_COMMON_NOUNS = word_list("have an attributive measure")


def describes_noun(match: re.Match[str]) -> bool:
    """Whether a measure or an amount stands before its noun, and is therefore singular."""
    following = _FOLLOWING.match(match.string, match.end())
    if following is None or _AFTER_AMOUNT.match(match.string, match.end()):
        return False
    if following[0][0] == "." and following[1].istitle():  # He lost 20 lb. Paper is
        return False
    noun = following[1].lower()
    if noun.endswith("s") and _WHILE_BEFORE.search(text_before(match, 8)):  # In 10 min systems
        return False
    if not _COMMON_NOUNS.isdisjoint((noun, noun.removesuffix("s"))):
        return True
    if noun in _NO_NOUN or noun.endswith("ly"):
        return False
    before = _DETERMINER.search(text_before(match, 48))
    if before is None:
        return False
    between = before[2].lower().replace(",", " ").split()
    if not _NO_NOUN.isdisjoint(between):
        return False
    return bool(before[1]) or not between
