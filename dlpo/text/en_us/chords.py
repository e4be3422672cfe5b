"""Chords of music -> spoken words: Cmaj7, F#m7, G/B."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import cardinal_words

_KINDS = {
    "maj": "major", "min": "minor", "m": "minor", "dim": "diminished", "aug": "augmented",
    "sus": "sus", "add": "add",
}  # fmt: skip
_SIGNS = {"#": "sharp", "b": "flat"}
KIND = any_key(_KINDS)
_MUSIC = late(
    r"\b(?i:chords?|strum\w{0,4}|capo|key of|tuned|scale)\b|\b[A-G] (?:flat|sharp|minor|major)\b"
    r"|\b[A-G][#b]?(?:maj|min|m|sus|add|dim|aug)\d"
)


def chord(match: re.Match[str]) -> list[str] | None:
    note, sign, kind, number, bass, bass_sign = match.groups()
    if match[0] == note or text_before(match, 2)[-2:-1].isdigit():
        return None
    near = text_before(match, 80) + match.string[match.end() : match.end() + 40]
    if not (kind and number) and not _MUSIC.search(near):
        return None
    words = [note, *([_SIGNS[sign]] if sign else []), *([_KINDS[kind]] if kind else [])]
    words += cardinal_words(number) if number else []
    if bass:
        words += ["over", bass, *([_SIGNS[bass_sign]] if bass_sign else [])]
    return words
