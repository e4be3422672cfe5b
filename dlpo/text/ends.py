"""Where speech may stop in text that is still arriving, as soon as that is certain."""

from __future__ import annotations

import re
from typing import NamedTuple

from dlpo.text.characters import readable_text
from dlpo.text.normalize import Token, tokens
from dlpo.text.sentences import ends_sentence

LOOKAHEAD = 100  # characters behind a possible end, at most, that are waited for
_CONTEXT = 80  # characters before it that tell what its period belongs to
_STOP = re.compile(r"""[.!?…]["')\]}”’»]{0,4}$""")
_CLAUSE = re.compile(r"""(?:[,;:]["')\]}”’»]{0,4}|[\s-][-–]|—)$""")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n$")
_NEXT = re.compile(r"\n[^\S\n]*\n|[^\W_]")  # a paragraph's end, or what a word begins with
_SPACE = re.compile(r"\s")


def ends_at(text: str, place: int, *, clauses: bool, capitals: bool, final: bool) -> bool | None:
    """Whether speech may stop at a blank or a dash; None while only more text will tell.

    The answer depends on no character that it could have been given without: of two texts that
    begin alike, the longer one has it too, unless it is None.

    Args:
        text: as it is written, up to where it has arrived.
        place: of the blank or dash.
        clauses: whether speech may stop at the end of a clause, too.
        capitals: whether the writer has used capitals before this text.
        final: no more text will come.
    """
    before = text[max(0, place - _CONTEXT) : place + 1]
    if _PARAGRAPH.search(before):
        return True
    if before[-1].isspace():
        before = before[:-1]
    stop = _STOP.search(before) is not None
    if not stop and not (clauses and _CLAUSE.search(before)):
        return False
    limit = place + LOOKAHEAD
    following = _NEXT.search(text, place, limit)
    enough = final or len(text) >= limit
    if following is None:
        return False if enough else None
    if following[0][0] == "\n":
        return True
    first = following.start()
    word_end = _SPACE.search(text, first, limit)
    enough = enough or word_end is not None
    whole_word = word_end.start() if word_end else limit
    if not stop:
        if not following[0].isdigit():
            return True
        if not enough:  # perhaps of a date
            return None
        return not _around(text, place, whole_word).is_one
    all_lower = not capitals and text[:first] == text[:first].lower()
    if following[0].islower() and not all_lower:
        return False
    around = _around(text, place, first + 1)
    if around.before and around.before.text.endswith("."):  # an abbreviation's own
        if not enough:
            return None
        around = _around(text, place, whole_word)
    if around.is_one:
        return False
    if around.before is None or around.after is None:  # of another script
        return True
    return ends_sentence(around.before, around.gap, around.after, all_lower)


class _Around(NamedTuple):
    """The tokens on both sides of a place."""

    before: Token | None
    gap: str
    after: Token | None
    is_one: bool
    """One token goes across."""


def _around(text: str, place: int, end: int) -> _Around:
    start = max(0, place - _CONTEXT)
    if start and (blank := _SPACE.search(text, start, place)):
        start = blank.end()
    left = readable_text(text[start:place]).text
    whole = left + readable_text(text[place:end]).text
    found = list(tokens(whole, lambda word: True, shouted=False))
    before = [token for token in found if token.end <= len(left)]
    after = [token for token in found if token.start >= len(left)]
    return _Around(
        before[-1] if before else None,
        whole[before[-1].end if before else 0 : after[0].start if after else len(whole)],
        after[0] if after else None,
        len(before) + len(after) < len(found),
    )
