"""Grades and blood types, B-, K–12 and AB+ -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.tables import any_of

_BLOOD = late(r"(?i)\b(?:blood|donors?|donat\w{1,5}|rh|transfus\w{1,5}|plasma|universal)\b")
_OF_BLOOD = {"+": "positive", "-": "negative"}
_WIDTH = 40  # characters around a letter in which blood is spoken of
_BEFORE_GRADE = late(
    rf"(?i)\b(?:{any_of('before grades')})(?: (?:is|was|of|an?))?:? $|[a-f][+-], $"
)
_AFTER_GRADE = late(rf"(?i) (?:(?:{any_of('after grades')})\b|[a-f][+-])")
_END = late(r"[.,;:!?)\]/\"']|\s?$")
_SUSPENDED = late(r" (?:and|or|to) [A-Z]-\w")  # A- and B-roll


def grade(match: re.Match[str]) -> list[str] | None:
    letters, before = match[1], text_before(match)
    after = match.string[match.end() : match.end() + _WIDTH]
    of_blood = letters in ("O", "AB") or _BLOOD.search(before) or _BLOOD.search(after)
    if match[2] == "+":
        return [*letters, _OF_BLOOD["+"]] if of_blood else None
    is_grade = _BEFORE_GRADE.search(before) or _AFTER_GRADE.match(after) or _END.match(after)
    if _SUSPENDED.match(after) or not (of_blood or is_grade):
        return None
    return [*letters, _OF_BLOOD["-"] if of_blood else "minus"]


def grades_3(match: re.Match[str]) -> list[str] | None:
    return [_OF_BLOOD[match[0]]]
