"""Signs between numbers: of sums, sizes and ratios, and from one measure to another."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import UNIT
from dlpo.text.en_us.tables import TABLES, any_of

_MATHS = r"[\d.,\s()+*/xyz×÷^%–−-]{0,30}"
_SUM_BEFORE = late(
    rf"(?i)(?:\b(?:{TABLES.patterns('phrases before sums')})|[=+*×÷]) ?{_MATHS}[a-z]?$"
)
_SUM_AFTER = late(
    rf"{_MATHS}(?:=\s?(?:[-(?\d]|[a-z]\b|$)|\b(?:equals?|makes?|is) -?\d)"
    r"|[\d.,\s()–-]{0,20}[+*×÷]\s?\d"
)
_SIZE_BEFORE = late(
    rf"(?i)\b(?:{any_of('before sizes')}):? (?:\d[\d.,]{{0,8}}\"? ?x? ?){{1,3}}$"
    r"|(?:x ?|/)\d[\d.,]{0,8} ?$|#\d{1,2} $"
)
_SIZE_AFTER = late(
    r"\s?\d[\d.,]{0,8}(?: ?x ?\d{1,5}){0,2}"
    rf"(?:\s?(?:in|{UNIT})\b|[\"']|[ -](?!(?:{any_of('no nouns')})\b)[a-z]{{2}}|\s?x\b)"
)
_POWER = late(r"\^\d$")


def in_sum(match: re.Match[str]) -> bool:
    """Whether what is found is in a problem, a sum or an equation."""
    return sum_follows(match) or _SUM_BEFORE.search(text_before(match, 60)) is not None


def sum_follows(match: re.Match[str]) -> bool:
    """Whether the rest of a sum, or its result, is after the match."""
    return _SUM_AFTER.match(match.string, match.end()) is not None


def minus(match: re.Match[str]) -> list[str] | None:
    """12 - 5 = 7, x^2 - 4; but not pages 9 - 12."""
    return ["minus"] if in_sum(match) or _POWER.search(text_before(match, 3)) else None


def times_or_by(match: re.Match[str]) -> list[str]:
    """7 x 8, but 3 by 5 inches and a 4 by 6 photo."""
    is_spaced = text_before(match, 1) == " "
    if in_sum(match) and (is_spaced or sum_follows(match)):
        return ["times"]
    is_size = _SIZE_AFTER.match(match.string, match.end()) or _SIZE_BEFORE.search(
        text_before(match, 60)
    )
    return ["by" if is_size or not is_spaced else "times"]


def to(match: re.Match[str]) -> list[str]:
    """20%-30%, 5kg - 10kg, but 30% - 10% = 20%."""
    return ["minus"] if in_sum(match) else to_or_and(match)
