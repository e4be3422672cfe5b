"""The keys of a telephone, * and #, and # for a number -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.numbers import digit_words

_OPEN = r"[\"'(]{0,2}$"
_PRESSED = late(
    rf"(?i)\b(?:(?:press|hit|dial|push|tap|touch|hold|mark)(?:ed|ing)?(?: the)?|by|with|then|or|and"
    rf"|use|symbol|sign|character|(?:enter|type)(?: the)?|us(?:e|ing) the|[*#]) {_OPEN}"
)
_NAMED = late(rf"(?i)\b(?:pound|hash|star|asterisk)(?: (?:key|sign|symbol))?,? {_OPEN}")
_NOUN = late(rf"[A-Za-z]{{2}}\.? {_OPEN}")
_KEY_AFTER = late(
    r"[\"')]{0,2} (?:(?:key|sign|symbol|button|character)s?\b|(?:to|for) (?!\d)[a-z])"
)
_COUNTED = late(r" (?:of\b|\d)")
_DIALED = late(
    r"(?i)\b(press|dial|push|tap|enter|use|using|code|key in)(?:ing)?"
    rf"(?: [*#\d]{{2,8}},? (?:or|and|then))? {_OPEN}"
)


def _is_key(match: re.Match[str]) -> bool:
    return (
        _KEY_AFTER.match(match.string, match.end()) is not None
        or _PRESSED.search(text_before(match)) is not None
    )


def star(match: re.Match[str]) -> list[str] | None:
    if _NAMED.search(text_before(match)):  # star (*)
        return []
    return ["star"] if _is_key(match) else None


def pound(match: re.Match[str]) -> list[str]:
    """Press #; but "my routing # is", "the # of guests"."""
    before = text_before(match)
    if _NAMED.search(before):
        return []
    counted = _COUNTED.match(match.string, match.end())
    is_number = counted or (_NOUN.search(before) and not _is_key(match))
    return ["number" if is_number else "pound"]


def dialed(match: re.Match[str]) -> list[str] | None:
    """Dial *67."""
    found = _DIALED.search(text_before(match))
    if found is None or (match[0][0] == "#" and found[1].lower() not in ("press", "dial")):
        return None
    signs = [{"*": "star", "#": "pound"}[sign] for sign in match[0] if sign in "*#"]
    return [*signs, *digit_words(match[0])]
