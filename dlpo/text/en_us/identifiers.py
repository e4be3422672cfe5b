"""Codes and numbers that name a thing -> spoken words: orders, telephones, airplanes, keys."""

from __future__ import annotations

import re

from dlpo.text.common.forms import digits_in_groups
from dlpo.text.en_us.numbers import (
    cardinal_words,
    code_words,
    digit_words,
    grouped_words,
    plural_words,
)

_GROUP = re.compile(r"[A-Za-z]|\d+")
_YEAR = re.compile(r"20[1-4]\d")  # in INV-2026-0042
_FREE = re.compile(r"\+?1[ .-]\(?800\)?(.*)")
_UNBROKEN = re.compile(r"(1?)[ -]?(\d{3})(\d{3})(\d{4})")
_KEYS = {"*": "star", "#": "pound"}


def grouped_code_words(written: str) -> list[str]:
    """Letters and digits by their names, with a pause after each group of digits but the last."""
    words: list[str] = []
    for group in _GROUP.findall(written):
        if group.isalpha():
            words.append(group.upper())
        elif _YEAR.fullmatch(group) and words and f"{group}-" in written:
            words += code_words(group)
        else:
            *digits, last = digit_words(group)
            words += [*digits, f"{last}," if len(group) > 2 else last]
    return [*words[:-1], words[-1].rstrip(",")]


def telephone_words(written: str) -> list[str]:
    """The digits of each group, with a pause after it: +1 800 is plus one eight hundred."""
    words = ["plus"] if written.startswith("+") else []
    if free := _FREE.fullmatch(written):
        return [*words, "one", "eight", "hundred,", *digits_in_groups(free[1], digit_words)]
    if unbroken := _UNBROKEN.fullmatch(written):
        country, *groups = unbroken.groups()
        return ["one"] * bool(country) + digits_in_groups(" ".join(groups), digit_words)
    return words + digits_in_groups(written, digit_words)


def internet_words(address: str) -> list[str]:
    """Of version 6: ``"fe80::1"``."""
    words: list[str] = []
    for part in re.findall(r":|[a-f]|\d+", address.lower()):
        if part.isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        else:
            words.append("colon" if part == ":" else part.upper())
    return words


def models_words(written: str) -> list[str]:
    """Several of a model: the 16s of F-16s, 737s."""
    return plural_words(grouped_words(written.rstrip("s")))


def keys_words(written: str) -> list[str]:
    """Keys of a telephone: *67, *#06#."""
    return [_KEYS.get(one) or digit_words(one)[0] for one in written]
