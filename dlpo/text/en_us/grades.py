"""Grades and blood types, B-, K–12 and AB+ -> spoken words."""

from __future__ import annotations


def letters_words(letters: str) -> list[str]:
    """``"AB"`` -> A B."""
    return [*letters]


def rhesus_words(sign: str) -> list[str]:
    """``"-"`` of a blood type -> negative."""
    return ["positive" if sign == "+" else "negative"]
