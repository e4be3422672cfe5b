"""Any text -> the characters that this front end can read, each with its place in the original."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_REPLACEMENTS = {
    "‘": "'", "’": "'", "‛": "'", "ʼ": "'", "′": "'", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "−": "-", "–": "–", "—": "—", "―": "—", "…": "…",
    "⁄": "/", "∕": "/", "·": " ", "•": ",", "¿": "", "¡": "", "。": ".", "、": ",",
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "th", "Ð": "Th", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i",
    "№": "No. ", "½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 ", "⅛": " 1/8 ",
}  # fmt: skip
KEPT_SYMBOLS = frozenset("£€¥¢°±×÷©®™§→≈≤≥≠µ")


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
