"""Phonemes as writers of SSML and dictionaries spell them, in IPA or ARPAbet -> symbols."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from dlpo.text.common.language import Language, Phonemes
from dlpo.text.symbols import MAX_WRITTEN, PHONEMES, SPANISH_VOWELS, VOWELS

MAX_PHONEMES = 60  # of one word: far beyond any English one
_STRESS = {"ˈ": "1", "'": "1", "ˌ": "2"}
_SILENT = frozenset(
    " \t\n.-|‿ːˑ"  # syllables, feet, links, length
    "\u0361\u035c"  # ties: already removed, except stray ones
    "ʰʷʲˠˤˀⁿ˞\u02de"  # release and color of a neighbor
    "\u0303\u0325\u030a\u032c\u032a\u033a\u032f\u031a\u0330\u0324\u0334\u031e\u031d\u0320\u031f"
)
_VOWELS = frozenset(VOWELS + SPANISH_VOWELS)
_SCHWAS = frozenset("əɚᵊɐ")
_OF_ARPABET = ("x-arpabet", "arpabet", "x-cmu", "cmu")
_ALPHABETS = ("ipa", *_OF_ARPABET)


def parse_arpabet(written: str) -> Phonemes:
    """``"HH AH0 l ow1"`` -> its phonemes.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    phonemes = tuple(_short(written).upper().split())
    wrong = [phoneme for phoneme in phonemes if phoneme not in PHONEMES]
    if wrong or not phonemes:
        got = f"{wrong[0][:40]!r} is not a phoneme" if wrong else "no phonemes are given"
        raise ValueError(f"{got}; expected ARPAbet with stress, such as 'HH AH0 L OW1'")
    return _bounded(phonemes)


def parse_phonemes(written: str, alphabet: str, language: Language) -> Phonemes:
    """The phonemes of ``<phoneme alphabet= ph=written>``.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    if alphabet not in _ALPHABETS:
        raise ValueError(f"alphabet={alphabet!r}; expected {', '.join(_ALPHABETS)}")
    try:
        return language.parse_ipa(written) if alphabet == "ipa" else parse_arpabet(written)
    except ValueError as error:
        raise ValueError(f"ph={written[:100]!r}: {error}") from error


def _short(written: str) -> str:
    """The same; normalizing many marks takes quadratic time."""
    if len(written) > MAX_WRITTEN:
        raise ValueError(f"has {len(written)} characters; expected at most {MAX_WRITTEN}")
    return written


class Ipa:
    """IPA of one language."""

    def __init__(self, sounds: Mapping[str, str], language: str, example: str) -> None:
        """
        Args:
            sounds: decomposed (NFD) IPA -> symbols, those of vowels without stress, which comes
                from the marks.
            language: its name, for messages.
            example: a word in IPA, for messages.
        """
        self._sounds = sounds
        self._longest = max(map(len, sounds))
        self._language = language
        self._expected = f"expected IPA, such as '{example}'"

    def parse(self, written: str) -> Phonemes:
        """``"həˈloʊ"`` -> HH AH0 L OW1.

        A stress mark belongs to the next vowel. Where a word has no mark, its first vowel that is
        not a schwa is stressed.

        Raises:
            ValueError: names the symbol that has no sound in the language.
        """
        text = (
            unicodedata.normalize("NFD", _short(written))
            .replace("\u0361", "")
            .replace("\u035c", "")
        )
        phonemes: list[str] = []
        full_vowels: list[int] = []  # that may bear the stress where none is written
        stress = ""
        position = 0
        while position < len(text):
            symbol = self._longest_symbol(text, position)
            if symbol is None:
                stress = self._stress_or_silence(text, position) or stress
                position += 1
                continue
            for phoneme in self._sounds[symbol].split():
                if phoneme in _VOWELS:
                    if symbol[0] not in _SCHWAS and "\u0329" not in symbol:
                        full_vowels.append(len(phonemes))
                    phoneme, stress = phoneme + (stress or "0"), ""
                phonemes.append(phoneme)
            position += len(symbol)
        if not phonemes:
            raise ValueError(f"no phonemes are given; {self._expected}")
        if full_vowels and not any(phoneme[-1] in "12" for phoneme in phonemes):
            first = full_vowels[0]
            phonemes[first] = phonemes[first][:-1] + "1"
        return _bounded(tuple(phonemes))

    def _stress_or_silence(self, text: str, position: int) -> str:
        """The stress that a mark gives, "" for what has no sound; a ValueError for other ones."""
        character = text[position]
        if character not in _STRESS and character not in _SILENT:
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            article = "an" if self._language[0] in "AEIOU" else "a"
            raise ValueError(
                f"{character!r} ({name}) at character {position + 1} is not {article}"
                f" {self._language} sound; {self._expected}"
            )
        return _STRESS.get(character, "")

    def _longest_symbol(self, text: str, position: int) -> str | None:
        """The longest known symbol that begins there, or None."""
        for length in range(min(self._longest, len(text) - position), 0, -1):
            symbol = text[position : position + length]
            if symbol in self._sounds and not (
                symbol in ("əɹ", "ər") and self._begins_with_vowel(text, position + length)
            ):
                return symbol
        return None

    def _begins_with_vowel(self, text: str, position: int) -> bool:
        """Whether a vowel follows: an R before it begins a syllable, around is AH R, not ER."""
        if text[position : position + 1] in _STRESS:
            position += 1
        return self._sounds.get(text[position : position + 1]) in _VOWELS


def _bounded(phonemes: Phonemes) -> Phonemes:
    if len(phonemes) > MAX_PHONEMES:
        raise ValueError(f"{len(phonemes)} phonemes; expected at most {MAX_PHONEMES} for one word")
    return phonemes
