"""Numbers that are a month and a day by their size alone, -> spoken words: 12/25, 8/3-8/14."""

from __future__ import annotations

import re

from dlpo.text.common.patterns import late
from dlpo.text.en_us.calendar import MONTHS, date_words
from dlpo.text.en_us.tables import any_of

# 3/7 tests passed, but 9/12 sounds fine
_SHARE_OF = late(rf" (?!(?:{any_of('no things counted')})\b)[a-z]{{2,20}}s\b")
_FRACTION_BELOW = frozenset((*range(2, 7), 8, 10, 12, 16))
_SHARES_BELOW = frozenset((2, 3, 4, 5, 6, 8))  # 1/9 is rather a date
_STORE = (7, 11)


def short_date(match: re.Match[str]) -> list[str] | None:
    """12/25 where the numbers make no likely fraction or rating: not 1/3, 7/10, 5/5."""
    month, day = int(match[1]), int(match[2])
    is_rating = month == day and 1 < day < 11
    if is_rating or (month, day) == _STORE or (month == 1 and day in _SHARES_BELOW):
        return None
    if month < day and day in _FRACTION_BELOW:
        return None
    if month <= day and _SHARE_OF.match(match.string, match.end()):
        return None
    return date_words(MONTHS[month - 1], match[2], None)


def date_range(match: re.Match[str]) -> list[str] | None:
    """8/3-8/14, in one month or with a day that makes no fraction; not 1/4-3/8."""
    month, day, last_month, last_day = map(int, match.groups())
    later = (month, day) < (last_month, last_day)
    if not later or (month != last_month and last_day in _FRACTION_BELOW):
        return None
    first = date_words(MONTHS[month - 1], match[2], None)
    return [*first, "to", *date_words(MONTHS[last_month - 1], match[4], None)]
