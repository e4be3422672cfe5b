"""Any text -> the characters that a language is read from, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dlpo.text.common.tables import Tables

_REPLACEMENTS = {read: as_ for read, (as_,) in Tables(__file__).table("characters").items()}
KEPT_SYMBOLS = frozenset("£€¥₹¢°±×÷©®™§→≈≤≥≠µΩ∫₩₿₽₺₪₱₫₴₦฿")
_SUPERSCRIPTS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
PICTURES = (  # without skin tones
    r"\u231a\u231b\u23e9-\u23fa\u25aa-\u25fe\u2600-\u27bf\u2b00-\u2bff"
    r"\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
_PICTURE = re.compile(f"[{PICTURES}]")
_STARS = frozenset("★⭐")
_RATING = re.compile(r"\d$|(?<![\d.,])[0-5](?:[.,]\d)?[ -]$")  # 4.5 ★, a 5-★ hotel
_ROW_OF_STARS = re.compile(r"([★⭐]{1,5})☆{0,4}(?=[\s.,;:)]{0,3}(?:\n|$)|[.,;:)])")
_RATED = re.compile(r"(?i)\b(?:rat(?:ed|ing)|hotel|resort|inn|review|score|calificaci[oó]n)\b")
_VARIABLE = r"[A-HJ-Za-zα-ω]\b(?! [a-z]{2})"
_VARIABLE_BEFORE = re.compile(
    r"(?:\b\d{0,3}(?:(?<![a-z] )[A-HJ-Z]|[b-zα-ω])|[(=+*/]\s?\d{0,3}a|[)|²³]) $"
)
_RESULT_BEFORE = re.compile(r"= [^\W\d_]{2,20} $")
_TERM_BEFORE = re.compile(r"(?:\d|(?<!\w)[A-HJ-Zb-zα-ω]|[)|²³]) $")
_TERM_AFTER = re.compile(rf" [(|√]{{0,2}}(?:\d|{_VARIABLE})")
_VARIABLE_AFTER = re.compile(rf" (?:\d{{0,3}}{_VARIABLE}|[(|√]{{1,2}}(?:\d|{_VARIABLE}))")
_TITLE_AFTER = re.compile(r"\s[^\W\d_a-z]")  # of a star between two titles


@dataclass(frozen=True, slots=True)
class ReadableText:
    """Text of printable ASCII, the dashes, the ellipsis, `KEPT_SYMBOLS`, the star of a rating, line
    ends, and no more than the letters of its language.

    A form feed ends a paragraph.
    """

    text: str
    offsets: Sequence[int]
    """For each character its index in the original."""
    dropped: str
    """Characters of the original that can't be spoken: emoji, other scripts, lone surrogates."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the original."""
        return self.offsets[start], self.offsets[end - 1] + 1


def _subtracts(text: str, place: int) -> bool:
    """Whether a minus sign is one, as in 3x − 2 or = sales − costs; others are dashes: 9 − 5."""
    before, after = text[max(0, place - 24) : place], text[place + 1 : place + 24]
    return bool(
        _RESULT_BEFORE.search(before)
        or (_VARIABLE_BEFORE.search(before) and _TERM_AFTER.match(after))
        or (_TERM_BEFORE.search(before) and _VARIABLE_AFTER.match(after))
    )


def _stars(text: str, place: int, before: str) -> str:
    """The star of a rating, 4.5 ★, or the first of those that are one: Lux ★★★★, ★★★☆☆."""
    if _RATING.search(before):
        return "" if _TITLE_AFTER.match(text, place + 1) else "★"
    found = _ROW_OF_STARS.match(text, place)
    is_first = text[place - 1 : place] not in _STARS or not place
    is_row = found and is_first and before.strip(" ,") and len(found[0]) > 2
    if found and is_row and (len(found[0]) == 5 or _RATED.search(text, max(0, place - 40), place)):
        return f"{len(found[1])}★"
    return ""


class Characters:
    """The characters that one language's written forms are made of."""

    def __init__(
        self, letters: str, replacements: Mapping[str, str], picture_name: Callable[[str], str]
    ) -> None:
        """
        Args:
            letters: kept as they are, besides those of `ReadableText`.
            replacements: how other characters are read, before the table of all languages.
            picture_name: an emoji -> what it is called, perhaps "".
        """
        self._kept = KEPT_SYMBOLS | set(letters)
        self._replacements = {**_REPLACEMENTS, **replacements}
        self._picture_name = picture_name

    def readable(self, text: str, emoji: str = "skip") -> ReadableText:
        """Fold typographic characters and accents; blank control characters; drop the unspeakable.

        Args:
            text: any.
            emoji: whether their names are read, see `ReadingOptions`.
        """
        if text.isascii() and text.isprintable():
            return ReadableText(text, range(len(text)), "")
        kept: list[str] = []
        offsets: list[int] = []
        dropped = ""
        for index, character in enumerate(text):
            folded = self._fold(character)
            if character in _STARS and (stars := _stars(text, index, "".join(kept[-6:]))):
                folded = stars
            elif folded is None and emoji == "name" and _PICTURE.match(character):
                folded = f", {self._picture_name(character)}, "
            elif folded is None:
                dropped += character
                folded = " "
            elif folded == "" and kept and (letter := self._composed(kept[-1], character)):
                kept[-1] = letter
            elif character == "−" and character in self._kept and _subtracts(text, index):
                folded = character
            elif character in _SUPERSCRIPTS and index and text[index - 1] not in _SUPERSCRIPTS:
                folded = f"^{folded}"
            elif len(folded) > 1 and character.isupper() and text[index + 1 : index + 2].isupper():
                folded = folded.upper()  # Ægir, but ÆGIR
            kept.append(folded)
            offsets += [index] * len(folded)
        return ReadableText("".join(kept), offsets, dropped)

    def _composed(self, before: str, character: str) -> str:
        """The letter of this language that an accent makes of the one before it, or ""."""
        letter = unicodedata.normalize("NFC", before + character)
        return letter if letter in self._kept else ""

    def _fold(self, character: str) -> str | None:
        """A character as readable ones ("" is silent), or None if it can't be spoken."""
        if character in "\f\n –—…" or " " < character <= "~" or character in self._kept:
            return self._replacements.get(character, character)
        if character in self._replacements:
            return self._replacements[character]
        category = unicodedata.category(character)
        if category in ("Mn", "Me", "Cf"):  # accents, joiners, direction marks
            return ""
        if category in ("Cc", "Zs", "Zl", "Zp"):
            return "\n" if character in "\x0b\x85\u2028\u2029" else " "
        if category == "Nd":
            return str(unicodedata.digit(character))
        parts = unicodedata.normalize("NFKD", character)
        if parts == character:
            return None
        return "".join(self._fold(part) or "" for part in parts) or None
