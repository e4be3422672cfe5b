"""Codes and numbers that name a thing -> spoken words: orders, telephones, airplanes, keys."""

from __future__ import annotations

import re

from dlpo.text.common.forms import digits_in_groups, with_pause
from dlpo.text.en_us.numbers import code_words, digit_words

_GROUP = re.compile(r"[A-Za-z]|\d+")
_YEAR = re.compile(r"20[1-4]\d")  # in INV-2026-0042
_FREE = re.compile(r"\+?1[ .-]\(?800\)?(.*)")
_UNBROKEN = re.compile(r"(1?)[ -]?(\d{3})(\d{3})(\d{4})")


def grouped_code_words(written: str) -> list[str]:
    """Letters and digits by their names, with a pause after each group of digits but the last."""
    words: list[str] = []
    for group in _GROUP.findall(written):
        if group.isalpha():
            words.append(group.upper())
        elif _YEAR.fullmatch(group) and words and f"{group}-" in written:
            words += code_words(group)
        else:
            digits = digit_words(group)
            words += with_pause(digits) if len(group) > 2 else digits
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
