"""Phonemes as writers of SSML spell them, in IPA or ARPAbet -> ARPAbet with stress."""

from __future__ import annotations

import unicodedata

from dlpo.text.characters import table
from dlpo.text.symbols import MAX_WRITTEN, PHONEMES, VOWELS

MAX_PHONEMES = 60  # of one word: far beyond any English one

# Decomposed (NFD) IPA -> ARPAbet; the stress of the vowels comes from the marks. Besides the
# symbols of American English: British vowels, allophones and common foreign sounds, each as the
# nearest American sound.
_IPA = {written: phonemes for written, (phonemes,) in table("ipa").items()}
_LONGEST = max(map(len, _IPA))
_STRESS = {"ˈ": "1", "'": "1", "ˌ": "2"}
_SILENT = frozenset(
    " \t\n.-|‿ːˑ"  # syllables, feet, links, length
    "\u0361\u035c"  # ties: already removed, except stray ones
    "ʰʷʲˠˤˀⁿ˞\u02de"  # release and color of a neighbor
    "\u0303\u0325\u030a\u032c\u032a\u033a\u032f\u031a\u0330\u0324\u0334\u031e\u031d\u0320\u031f"
)
_SCHWAS = frozenset("əɚᵊɐ")


def parse_arpabet(written: str) -> tuple[str, ...]:
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


def parse_ipa(written: str) -> tuple[str, ...]:
    """``"həˈloʊ"`` -> HH AH0 L OW1.

    A stress mark belongs to the next vowel. Where a word has no mark, its first vowel that is not
    a schwa is stressed.

    Raises:
        ValueError: names the symbol that has no English sound.
    """
    text = unicodedata.normalize("NFD", _short(written)).replace("\u0361", "").replace("\u035c", "")
    phonemes: list[str] = []
    full_vowels: list[int] = []  # that may bear the stress where none is written
    stress = ""
    position = 0
    while position < len(text):
        symbol = _longest_symbol(text, position)
        if symbol is None:
            character = text[position]
            if character in _STRESS:
                stress = _STRESS[character]
            elif character not in _SILENT:
                name = unicodedata.name(character, f"U+{ord(character):04X}")
                raise ValueError(
                    f"{character!r} ({name}) at character {position + 1} is not an English sound;"
                    " expected IPA, such as 'həˈloʊ'"
                )
            position += 1
            continue
        for phoneme in _IPA[symbol].split():
            if phoneme in VOWELS:
                if symbol[0] not in _SCHWAS and "\u0329" not in symbol:
                    full_vowels.append(len(phonemes))
                phoneme, stress = phoneme + (stress or "0"), ""
            phonemes.append(phoneme)
        position += len(symbol)
    if not phonemes:
        raise ValueError("no phonemes are given; expected IPA, such as 'həˈloʊ'")
    if full_vowels and not any(phoneme[-1] in "12" for phoneme in phonemes):
        first = full_vowels[0]
        phonemes[first] = phonemes[first][:-1] + "1"
    return _bounded(tuple(phonemes))


_OF_ARPABET = ("x-arpabet", "arpabet", "x-cmu", "cmu")
_ALPHABETS = {"ipa": parse_ipa, **dict.fromkeys(_OF_ARPABET, parse_arpabet)}


def parse_phonemes(written: str, alphabet: str) -> tuple[str, ...]:
    """The phonemes of ``<phoneme alphabet= ph=written>``.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    parse = _ALPHABETS.get(alphabet)
    if parse is None:
        raise ValueError(f"alphabet={alphabet!r}; expected {', '.join(_ALPHABETS)}")
    try:
        return parse(written)
    except ValueError as error:
        raise ValueError(f"ph={written[:100]!r}: {error}") from error


def _short(written: str) -> str:
    if len(written) > MAX_WRITTEN:
        raise ValueError(f"has {len(written)} characters; expected at most {MAX_WRITTEN}")
    return written


def _longest_symbol(text: str, position: int) -> str | None:
    """The symbol of `_IPA` that begins there, or None."""
    for length in range(min(_LONGEST, len(text) - position), 0, -1):
        symbol = text[position : position + length]
        if symbol in _IPA and not (
            symbol in ("əɹ", "ər") and _begins_with_vowel(text, position + length)
        ):
            return symbol
    return None


def _begins_with_vowel(text: str, position: int) -> bool:
    """Whether a vowel follows, so that an R before it begins a syllable: around is AH R, not ER."""
    if text[position : position + 1] in _STRESS:
        position += 1
    return _IPA.get(text[position : position + 1]) in VOWELS


def _bounded(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    if len(phonemes) > MAX_PHONEMES:
        raise ValueError(f"{len(phonemes)} phonemes; expected at most {MAX_PHONEMES} for one word")
    return phonemes
