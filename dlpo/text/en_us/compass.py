"""Directions -> spoken words: a northwest wind, I-5 south, eastbound."""

from __future__ import annotations

DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}


def direction_words(letters: str) -> list[str]:
    """``"NW"`` -> northwest, ``"NNE"`` -> north northeast."""
    apart, joined = letters[:-2], letters[-2:]
    return [*(DIRECTIONS[one] for one in apart), "".join(DIRECTIONS[one] for one in joined)]


def bound_words(letter: str) -> list[str]:
    """``"E"`` -> eastbound."""
    return [DIRECTIONS[letter] + "bound"]
