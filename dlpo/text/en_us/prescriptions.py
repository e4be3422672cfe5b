"""What doctors write -> spoken words: q8h, q4-6h, for 10d, 58 y/o, Vit D3."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import TABLES

_HOW = {
    "PO": "by mouth", "BID": "twice a day", "TID": "three times a day", "QD": "once a day",
    "QID": "four times a day", "QHS": "at bedtime", "PRN": "as needed",
}  # fmt: skip
_DOSE = late(
    r"(?:\d|\bone|\btwo|\bhalf)\s?"
    r"(?:mg|mcg|µg|g|m[lL]|units?|IU|tab(?:let)?s?|cap(?:sule)?s?|puffs?|drops?|gtts?)\b"
    r"(?:,? (?:cap(?:sule)?s?|tab(?:let)?s?|po|PO|IV|IM|SQ|SC|SL|by mouth|orally|daily"
    r"|q\d{1,2}h|[btq]id|[BTQ]ID|qd|QD|qhs|QHS)){0,3},? $"
)
_GRAMS = late(r"\d\s?g $")  # a 300 g bid
_ILL = late(
    rf"\b(?:{TABLES.patterns('symptoms')})\b[^.;]{{0,24}}$|(?:[IQ]D|id|aily|PO|epeat|PRN|q\dh) $"
    r"|(?:by mouth|food|meals|bedtime|every \d{1,2} ?(?:h|hrs?|hours)) $"
    r"|(?:cillin|mycin|iotics?|tablets?|capsules?|pills?|ic course|dosage) $"
)
_SYMPTOM = late(r" (?!for\b|and\b|or\b|if\b|with\b|to\b)[a-z]")
HOW = "|".join(_HOW)
HOW_LOWER = "|".join(_HOW).lower()


def every(match: re.Match[str]) -> list[str]:
    """q4-6h: every four to six hours."""
    words = ["every", *cardinal_words(match[1])]
    words += ["to", *cardinal_words(match[2])] if match[2] else []
    return [*words, "hours" if match[3][0] == "h" else "minutes"]


def how_often(match: re.Match[str]) -> list[str] | None:
    """10 mg PO BID: by mouth twice a day; but "he bid"."""
    before = text_before(match)
    if not _DOSE.search(before) or (match[0] in ("bid", "po") and _GRAMS.search(before)):
        return None
    written = match[0].upper()
    for_what = written == "PRN" and _SYMPTOM.match(match.string, match.end())
    return [*_HOW[written].split(), *["for"] * bool(for_what)]


def prescriptions_4(match: re.Match[str]) -> list[str] | None:
    return ["for"] if match[0] == "x" or _ILL.search(text_before(match)) else None


def prescriptions_5(match: re.Match[str]) -> list[str] | None:
    return [*match[0]]


def prescriptions_8(match: re.Match[str]) -> list[str] | None:
    return [*cardinal_words(match[0][:-1]), "days"]
