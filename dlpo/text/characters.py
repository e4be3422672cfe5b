"""Any text -> the characters that this front end can read, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

# A form of writing: what it begins with (a, A and d are letters and digits, - is everything else),
# its pattern, and what it is spoken as; None where it is something else after all.
Forms = tuple[tuple[str, str, Callable[[re.Match[str]], list[str] | None]], ...]


def table(name: str) -> dict[str, tuple[str, ...]]:
    """A table of this package, NAME.tsv: first cell -> the others of its row; without its head."""
    text = (files("dlpo.text") / f"{name}.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {first: tuple(others) for first, *others in rows}


def word_list(name: str) -> frozenset[str]:
    """The words of one of the lists of lists.tsv."""
    return frozenset(_LISTS[name][0].split())


def any_of(name: str) -> str:
    """The same as alternatives of a regular expression."""
    return "|".join(map(re.escape, _LISTS[name][0].split()))


_LISTS = table("lists")
_REPLACEMENTS = {written: read for written, (read,) in table("characters").items()}
KEPT_SYMBOLS = frozenset("£€¥₹¢°±×÷©®™§→≈≤≥≠µΩ")
_SUPERSCRIPTS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")


@dataclass(frozen=True, slots=True)
class ReadableText:
    """Text of printable ASCII, the dashes, the ellipsis and `KEPT_SYMBOLS` only."""

    text: str
    offsets: list[int] | None
    """For each character its index in the original; None where nothing has moved."""
    dropped: int
    """Characters of the original that can't be spoken: emoji, other scripts, lone surrogates."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the original."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def readable_text(text: str) -> ReadableText:
    """Fold typographic characters and accents, blank control characters, drop what has no sound."""
    if text.isascii() and text.isprintable():
        return ReadableText(text, None, 0)
    kept: list[str] = []
    offsets: list[int] = []
    dropped = 0
    for index, character in enumerate(text):
        folded = _fold(character)
        if folded is None:
            dropped += 1
            folded = " "
        elif character in _SUPERSCRIPTS and index and text[index - 1] not in _SUPERSCRIPTS:
            folded = f"^{folded}"
        kept.append(folded)
        offsets += [index] * len(folded)
    return ReadableText("".join(kept), offsets, dropped)


def _fold(character: str) -> str | None:
    """One character in readable ones ("" is silent), or None when it can't be spoken."""
    if character in "\n –—…" or " " < character <= "~" or character in KEPT_SYMBOLS:
        return _REPLACEMENTS.get(character, character)
    if character in _REPLACEMENTS:
        return _REPLACEMENTS[character]
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents, joiners, direction marks
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return "\n" if character in "\x0b\x0c\x85\u2028\u2029" else " "
    if category == "Nd":
        return str(unicodedata.digit(character))
    plain = unicodedata.normalize("NFKD", character)
    ascii_only = "".join(part for part in plain if part.isascii() and part.isprintable())
    return ascii_only or None
