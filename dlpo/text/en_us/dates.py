"""Dates in numbers that lack a part, -> spoken words: 12/25, exp. 09/26, 03/2027."""

from __future__ import annotations

import re

from dlpo.text.common.calendar import DAY, MONTH
from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.calendar import MONTHS, WEEKDAY, date_words
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words, year_words
from dlpo.text.en_us.tables import TABLES, any_of

_AT_HOUR = r" (?:at|@|around|by) (?:\d|noon|midnight)|,? \d{1,2}(?::\d\d)? ?[ap]\.?m\b"
_EVENT = rf"(?:{any_of('happen on dates')})(?: dates?| day)?"
_BEFORE_DATE = late(
    rf"(?i)(?:\b(?:{any_of('before dates')}|{TABLES.patterns('phrases before dates')}) |day,? \(?"
    rf"|\b{_EVENT}(?:s? on|'s| is| was| are| will be)?(?: (?:set|scheduled) for)?:? "
    rf"|{WEEKDAY}\.?,? \(?|\b(?:[ECMP][SD]?T|[AP]M|[ap]\.m\.) )$"
)
_AFTER_DATE = late(rf"(?i){_AT_HOUR}| (?:works|sounds|suits|{_EVENT}s?)\b")
_NO_DATE_BEFORE = late(
    r"(?i)(?:[=+*×÷(^] ?|\ban? "
    rf"|\b(?:{any_of('before fractions')})(?: (?:is|are|was|it|of|on))?:? (?:an? )?)$"
)
_NO_DATE_AFTER = late(
    rf"(?i) ?[=+*×÷^%\"]| [-–] \d| of\b|(?:-| an? | )(?:{any_of('after fractions')})s?\b"
)
_FACTOR_BEFORE = late(
    r"(?i)\b(?:multipl(?:y|ied)|scaled?|times|divided?)\b[^.;]{0,30}\bby $"
    r"|\brate (?:your|the|this|our|my)(?: \w{2,14})? $"
)
_GOAL_AFTER = late(r" (?:hrs?|hours|[KMGT]B|steps|done|cal|kcal|min|mins|miles)\b")
# 3/7 tests passed, but 9/12 sounds fine
_SHARE_OF = late(rf" (?!(?:{any_of('no things counted')})\b)[a-z]{{2,20}}s\b")
_NO_DASHED_AFTER = late(r" (?:rule|orders|months|formation|split|plan|ratio|diet)\b")
_EARLIER_ONES = late(
    r"(?:(?<!\d)\d{1,2}/\d{1,2}(?:,? (?:and|or|to|thru|through|until) | ?[-–] ?|, )){1,4}$"
)
_LATER_ONE = late(r"[-–]\d{1,2}/\d{1,2}(?![\d/])")
_FRACTION_BELOW = frozenset((*range(2, 7), 8, 10, 12, 16))
_SHARES_BELOW = frozenset((2, 3, 4, 5, 6, 8))  # 1/9 is rather a date
_STORE = ("7", "11")
_EXPIRY = late(
    r"(?i)\b(?:exp(?:\.|iry|iration)?(?: date)?(?: on file)?"
    r"|(?:valid|good) (?:thru|through|until|till|to))(?:,? is|:| of)? ?$"
)
_EXPIRES = late(r"(?i)\bexpir(?:es?|ed|ing)(?: in|:)? $")
_OF_CARD = late(r"(?i)\b(?:card|visa|mastercard|amex|discover|debit|credit|license|passport|id)\b")
_OF_OFFER = late(r"(?i)\b(?:offer|coupon|sale|deal|trial|promo\w{0,6}|code|quote|discount)\b")
MONTH = MONTH
DAY = DAY


def short_date(match: re.Match[str]) -> list[str] | None:
    """12/25 where no fraction is likely: not "fell by 1/3" nor "on 2/3 of them"."""
    month, day = match["short_month"], match["short_day"]
    if match[0] == "9/11" and not text_before(match, 12).lower().endswith(("due ", "by ")):
        return cardinal_words(month) + cardinal_words(day)
    earlier = _EARLIER_ONES.search(text_before(match, 40))
    before = text_before(match, 48 + len(earlier[0]) if earlier else 48)
    if earlier:  # 5/6 or 5/7: what the first is
        before = before.removesuffix(earlier[0])
        month, day = re.findall(r"\d+", earlier[0])[:2]
    if earlier or _LATER_ONE.match(match.string, match.end()):  # (12/4-12/7), but (3/4)
        before = before.removesuffix("(")
    after = match.string[match.end() : match.end() + 24]
    if not _is_date(month, day, before, after):
        return None
    words = date_words(MONTHS[int(match["short_month"]) - 1], match["short_day"], None)
    return words + (["to", *ordinal_words(match["short_to"])] if match["short_to"] else [])


def _is_date(month: str, day: str, before: str, after: str) -> bool:
    if not 0 < int(month) < 13 or _NO_DATE_AFTER.match(after):
        return False
    if _FACTOR_BEFORE.search(before) or _GOAL_AFTER.match(after):
        return False
    if month[0] == "0" or day[0] == "0":
        return True
    is_share = month == "1" and int(day) in _SHARES_BELOW
    if _BEFORE_DATE.search(before) or _AFTER_DATE.match(after):
        return not is_share or not before.lower().endswith((" by ", " on ", " from "))
    is_rating = month == day and 1 < int(day) < 11
    if is_share or is_rating or (month, day) == _STORE or _NO_DATE_BEFORE.search(before):
        return False
    if int(month) <= int(day) and _SHARE_OF.match(after):
        return False
    return int(month) >= int(day) or int(day) not in _FRACTION_BELOW


def dashed_date(match: re.Match[str]) -> list[str] | None:
    """On 11-18-26: after what a date follows, or before its hour."""
    after = match.string[match.end() : match.end() + 24]
    if _SHARE_OF.match(after) or _NO_DASHED_AFTER.match(after):
        return None
    if not (_BEFORE_DATE.search(text_before(match, 48)) or _AFTER_DATE.match(after)):
        return None
    month = MONTHS[int(match["dashed_month"]) - 1]
    return date_words(month, match["dashed_day"], match["dashed_year"])


def month_of_year(match: re.Match[str]) -> list[str]:
    return [MONTHS[int(match["of_month"]) - 1], *year_words(match["of_year"])]


def expiry(match: re.Match[str]) -> list[str] | None:
    """The month and the year on a card: exp. 09/26."""
    before = text_before(match, 60)
    if not _EXPIRY.search(before):
        by_card = match[0][0] == "0" and not _OF_OFFER.search(before)
        if not _EXPIRES.search(before) or not (by_card or _OF_CARD.search(before)):
            return None
    return [MONTHS[int(match["expiry_month"]) - 1], *year_words(f"20{match['expiry_year']}")]
