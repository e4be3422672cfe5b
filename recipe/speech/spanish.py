"""Spanish in the letters of the teacher that speaks it (Kokoro), and back.

The letters are those that it was trained on: narrow IPA, with the sounds that b, d, g and n have
among their neighbors. Our phonemes don't have those, since the acoustic model hears them itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlpo.text import Sentence

LETTERS = {
    "P": "p", "B": "b", "T": "t", "D": "d", "K": "k", "G": "ɡ", "CH": "ʧ", "F": "f", "TH": "θ",
    "S": "s", "SH": "ʃ", "X": "x", "M": "m", "N": "n", "NY": "ɲ", "L": "l", "DX": "ɾ", "RR": "r",
    "LL": "ʝ", "Y": "j", "W": "w", "A": "a", "E": "e", "I": "i", "O": "o", "U": "u",
}  # fmt: skip
VOWELS = "aeiou"
STRESS = {"1": "ˈ", "2": "ˌ"}
LEVELS = {mark: level for level, mark in STRESS.items()}
SOFT = {"b": "β", "d": "ð", "ɡ": "ɣ"}  # after anything but a pause and a nasal, d also after l
NASALS = {"b": "m", "p": "m", "f": "m", "k": "ŋ", "ɡ": "ŋ", "x": "ŋ", "w": "ŋ"}  # n before these
PAUSES = ",;:.!?—"
HARD = {soft: hard for hard, soft in SOFT.items()}
PHONEMES = {letter: phoneme for phoneme, letter in LETTERS.items()} | {"ŋ": "N"}
N_BEFORE = ("nv", "nf", "nb", "np")  # spellings of an n that is said m


@dataclass(slots=True)
class Phone:
    """As the teachers' `misaki.Phone`."""

    label: str
    """our phoneme, vowels with stress"""
    first: int
    end: int
    """half-open range of letters; a stress mark belongs to its vowel"""
    word: int
    """index of the word, counted by the gaps"""


@dataclass(slots=True)
class Gap:
    """As the teachers' `misaki.Gap`: letters before a word, or after the last."""

    first: int
    end: int
    pause: bool
    """whether it has punctuation"""


@dataclass(slots=True)
class Reading:
    """As the teachers' `misaki.Reading`."""

    phones: list[Phone] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


def said(sentence: Sentence) -> tuple[str, list[str]]:
    """The letters of a sentence that our reader has read, and the word of each; "" between words.

    A question that our marks let fall has its question mark.
    """
    pairs = list(_letters(sentence))
    if sentence.text.rstrip('"»”)').endswith("?"):
        pairs[-1] = ("?", "")
    spoken = [(place, letter) for place, (letter, _) in enumerate(pairs) if letter not in "ˈˌ "]
    for (place, letter), (_, following) in pairwise(spoken):
        if letter == "n":
            nasal = NASALS.get(HARD.get(following, following), "n")
            pairs[place] = (nasal, pairs[place][1])
    return "".join(letter for letter, _ in pairs), [word for _, word in pairs]


def _letters(sentence: Sentence) -> Iterator[tuple[str, str]]:
    before = ""
    for word in sentence.words:
        if before:
            yield " ", ""
        for phoneme in word.phonemes:
            letter, stress = LETTERS[phoneme.rstrip("012")], STRESS.get(phoneme[-1], "")
            soft_after = before and before not in ("m", "n", "ɲ", *PAUSES)
            if letter in SOFT and soft_after and not (letter == "d" and before == "l"):
                letter = SOFT[letter]
            if stress:
                yield stress, word.word
            yield letter, word.word
            before = letter
        if word.mark != " ":
            before = "—" if word.mark == "-" else word.mark
            yield before, ""


def read(letters: str, words: Sequence[str]) -> Reading:
    """Our phonemes, and the gaps between words, of a sentence in the teacher's letters.

    Args:
        letters: as `said` writes them.
        words: the word of each letter.

    Raises:
        ValueError: a letter that isn't Spanish.
    """
    out = Reading(gaps=[Gap(0, 0, False)])
    stress, start = "0", -1
    for at, (letter, word) in enumerate(zip(letters, words, strict=True)):
        if not word:
            _widen(out.gaps, at, letter in PAUSES)
        elif letter in LEVELS:
            stress, start = LEVELS[letter], at
        else:
            label = PHONEMES.get(HARD.get(letter, letter))
            if label is None:
                raise ValueError(f"{letter!r} in {letters!r} isn't a Spanish letter of the teacher")
            if letter == "m" and _is_n(letters, words, at):
                label = "N"
            first = at if start < 0 else start
            label += stress if letter in VOWELS else ""
            out.phones.append(Phone(label, first, at + 1, len(out.gaps) - 1))
            stress, start = "0", -1
    if out.gaps[-1].end != len(letters):
        out.gaps.append(Gap(len(letters), len(letters), False))
    return out


def _widen(gaps: list[Gap], at: int, pause: bool) -> None:
    """Add a letter between words: to the last gap if that goes on."""
    if gaps[-1].end == at:
        gaps[-1] = Gap(gaps[-1].first, at + 1, gaps[-1].pause or pause)
    else:
        gaps.append(Gap(at, at + 1, pause))


def _is_n(letters: str, words: Sequence[str], at: int) -> bool:
    """Whether an m is an n before a labial: Spanish spells m only where it is one."""
    word = words[at].lower()
    spoken = [place for place in range(at + 1, len(letters)) if letters[place] not in "ˈˌ "]
    following = letters[spoken[0]] if spoken else ""
    if NASALS.get(HARD.get(following, following)) != "m":
        return False
    if words[spoken[0]] != words[at] or " " in letters[at : spoken[0]]:
        return not word.endswith("m")
    return any(pair in word for pair in N_BEFORE)


def lines(texts: str) -> Iterator[str]:
    """A line of id, letters and a JSON list of words for each sentence of `id|text` lines."""
    from dlpo.text import TextFrontEnd

    front_end = TextFrontEnd(language="es-419")
    for id, _, text in (line.partition("|") for line in texts.splitlines()):
        for sentence in front_end.process(text).sentences:
            letters, words = said(sentence)
            yield f"{id}\t{letters}\t{json.dumps(words, ensure_ascii=False)}"
