"""What doctors write -> spoken words: q8h, q4-6h, for 10d, 58 y/o, Vit D3."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms, text_before
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


def _every(match: re.Match[str]) -> list[str]:
    """q4-6h: every four to six hours."""
    words = ["every", *cardinal_words(match[1])]
    words += ["to", *cardinal_words(match[2])] if match[2] else []
    return [*words, "hours" if match[3][0] == "h" else "minutes"]


def _how_often(match: re.Match[str]) -> list[str] | None:
    """10 mg PO BID: by mouth twice a day; but "he bid"."""
    before = text_before(match)
    if not _DOSE.search(before) or (match[0] in ("bid", "po") and _GRAMS.search(before)):
        return None
    written = match[0].upper()
    for_what = written == "PRN" and _SYMPTOM.match(match.string, match.end())
    return [*_HOW[written].split(), *["for"] * bool(for_what)]


FORMS: Forms = (
    ("aA", rf"\b(?:{'|'.join(_HOW)}|{'|'.join(_HOW).lower()})\b(?! [Bb]ox)", _how_often),
    ("-", r"(?<=mg|cg)/(?=\s?\d{1,3}(?:\.\d)?\s?m[lL]\b)", "per"),
    (
        "a-",
        r"(?<=[A-Za-z)]\s)(?<!\brate\s)(?<!\bwage\s)(?<!\bpay\s)(?<!/hr\s)(?<!an hour\s)[x×] ?"
        r"(?=\d{1,3}(?: (?:days?|we?e?ks?|months?|h(?:ou)?rs?|nights?|yrs?)|d)\b(?!\s?=))",
        lambda match: ["for"] if match[0] == "x" or _ILL.search(text_before(match)) else None,
    ),
    ("A0", r"\bINR(?= \d\.\d\b(?! (?:lakh|crore|mi|bi|per)|/))", lambda match: [*match[0]]),
    ("A", r"(?<=mg )ASA\b|\bASA(?= \d{2,3} ?mg\b)", "aspirin"),
    ("a", r"\bq\.?\s?(\d{1,2})(?:[-–](\d{1,2}))?\s?(h|hrs?|hours|min|mins|minutes)\b", _every),
    (
        "d",
        r"(?:(?<=[x×]\s)|(?<=[x×])|(?<=\bfor ))\d{1,3}d\b"
        r"(?!,? (?:(?:and|or) )?\dd\b)(?=[.,;)]|\s?$| (?:w/|(?:and|with|then|if|or)\b))",
        lambda match: [*cardinal_words(match[0][:-1]), "days"],
    ),
    (
        "d",
        r"(?<![\w.])(\d{1,3})(?:\s?|-)(?:yo\b|y\.\s?o\.|y/o\b)(?!-)",
        lambda match: [*cardinal_words(match[1]), "year", "old"],
    ),
)
