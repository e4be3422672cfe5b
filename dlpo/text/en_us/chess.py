"""Moves of chess -> spoken words: Nf3, Qxf7#, exd5, O-O, and the number before a move."""

from __future__ import annotations

import re
from functools import lru_cache

from dlpo.text.common.forms import with_pause
from dlpo.text.common.patterns import late
from dlpo.text.en_us.numbers import cardinal_words

_PIECES = {"K": "king", "Q": "queen", "R": "rook", "B": "bishop", "N": "knight"}
SQUARE = "[a-h][1-8]"
MOVE = rf"(?:[KQRBN](?:[a-h]|[1-8])?x?{SQUARE}|[a-h]x{SQUARE})"
_MOVES = late(rf"(?<![\w-]){MOVE}(?![\w-])")
_ALSO = frozenset(  # elements, notes, a road
    ("Na", "Nb", "Nd", "Ne", "Nh", "Ba", "Bb", "Be", "Bh", "Ra", "Rb", "Rd", "Re", "Rf", "Rg", "Rh")
)
_ENDINGS = {"+": "check", "#": "mate"}


@lru_cache(maxsize=8)  # each possible move of a text asks
def _has_move(text: str) -> bool:
    """Whether a text has a move that is nothing else, as Na2 and Bb5 may be."""
    return any(move[0][:2] not in _ALSO for move in _MOVES.finditer(text))


def move(match: re.Match[str]) -> list[str] | None:
    if match[0][:2] in _ALSO and not _has_move(match.string):
        return None
    words: list[str] = []
    for one in match[0]:
        if one.isdigit():
            words += cardinal_words(one)
        elif one == "x":
            words.append("takes")
        elif one != "=":
            words.append(_PIECES.get(one) or _ENDINGS.get(one) or one.upper())
    return words


def move_number(match: re.Match[str]) -> list[str] | None:
    """2. Nf3, 12...Bg4; the period ends no sentence."""
    if not _has_move(match.string):
        return None
    return with_pause(cardinal_words(match[1]))
