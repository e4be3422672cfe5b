"""English words in Spanish text, with the sounds that a Spanish speaker gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import repeat

from dlpo.text.common.language import Phonemes
from dlpo.text.common.syllables import Syllable, divided, syllable_at
from dlpo.text.es.spelling import ONSETS, VOWELS
from dlpo.text.es.tables import EXCEPTIONS, TABLES, word_list

_LISTED = word_list("english words")  # whose letters could be Spanish
_CONSONANT = "[bcdfghjklmnpqrstvwxz]"
_SHAPE = re.compile(  # hardly any Spanish word is written so
    r"^s[bcdfgkmnpqt]|^(?:wr|kn)|^chr|sh|th|ph|dge|ype(?=s?$)|[^s]tions?$"
    r"|(?:[aiuy]t|in|ct|pt|iz)ed$|gh|ck|w|oo|ou|bb|dd|ff|gg|mm|pp|ss|tt|zz|ll(?![aeiou])"
    r"|[aeiou]ke(?=[drs]?$)|llers?$|ll(?=(?:ie|is|ison)$)|age(?=[ds]?$)"
    r"|ea(?=(?:ch|ck|ds?|f|ks?|ms?|ps?|rs|rn|st|ts?|th|ve)$)|ee(?!r$)"
    rf"|[bfgkptv]$|(?:[^i]|[^v]i|[^oe]vi)c$|[^u]m$|{_CONSONANT}{{2}}$|{_CONSONANT}y$"
    r"|(?:[^rl]|[^r]r|.l)ey$"
)
_SPANISH = re.compile(r"^(?:desh|posth|(?:ta|bachi|canci)llers?$|(?:coll|gar)age|(?:l|cr)ee[ns]?$)")
_VOWEL_LETTERS = re.compile(r"[aeiouy]+")
_AS_WRITTEN = re.compile("i[aeou]|ua|eo|a$")  # vowels that English changes more than Spanish
_SILENT_E = re.compile(rf"{_CONSONANT}e(?=s?$)")
_SOUNDS = TABLES.words("english_sounds")  # ARPAbet without stress -> IPA
# Vowels that Spanish speakers take from the spelling where it has one of these letters.
_FROM_SPELLING = {"AA": "ao", "AH": "aeiou", "IH": "ei", "ER": "aeiou"}


def is_listed(word: str) -> bool:
    """Whether the table of pronunciations or the English lexicon has a word in lower case."""
    return word in EXCEPTIONS or bool(_phonemes(word))


def ordinal_words(written: str) -> list[str]:
    """``"5"``, of a street in the United States, -> fifth."""
    from dlpo.text.en_us.numbers import ordinal_words  # with the first such address

    return ordinal_words(written)


def english_syllables(word: str) -> list[Syllable]:
    """A word in lower case -> its syllables; none unless it is an English word.

    That is one of a list, or one that the English lexicon has and no Spanish word looks like:
    ``streaming``, ``Galaxy``, ``Dell``.
    """
    if not (len(word) > 2 and word.isascii() and word.isalpha()):
        return []
    if word not in _LISTED and (_SPANISH.search(word) or not _SHAPE.search(word)):
        return []
    phonemes = _phonemes(word)
    vowels = _spelled_vowels(word, sum(phoneme[-1].isdigit() for phoneme in phonemes))
    if not phonemes or (vowels is None and _AS_WRITTEN.search(word)):  # Wikipedia
        return []
    return _adapted(phonemes, vowels or repeat(""))


def _phonemes(word: str) -> Phonemes:
    from dlpo.text.en_us.pronounce import lexicon, with_s  # with the first English word

    if listed := lexicon().pronunciations(word):
        return listed[0].phonemes
    stem = word.removesuffix("s")
    listed = lexicon().pronunciations(stem) if stem != word else ()
    return with_s(listed[0].phonemes) if listed else ()


def _adapted(phonemes: Phonemes, vowels: Iterator[str]) -> list[Syllable]:
    """The sounds in syllables; ``vowels``: see `_spelled_vowels`, "" where it isn't sure."""
    sounds, stressed = list[str](), 0
    for phoneme in phonemes:
        if phoneme[-1] == "1":
            stressed = len(sounds)
        said = (
            _vowel(phoneme, next(vowels)) if phoneme[-1].isdigit() else _consonant(phoneme, sounds)
        )
        sounds += said if said != sounds[-1:] else []
    if sounds[:1] == ["s"] and sounds[1:2] and sounds[1] not in VOWELS | {"j", "w"}:  # street
        sounds, stressed = ["e", *sounds], stressed + 1
    found = divided(sounds, VOWELS, ONSETS)
    if found:
        found[syllable_at(found, stressed)].stress = 1
    return found


def _spelled_vowels(word: str, sounded: int) -> Iterator[str] | None:
    """The letters of each vowel that sounds, o_e in "home"; None where it isn't sure."""
    letters = _VOWEL_LETTERS.findall(word)
    if len(letters) == sounded + 1 > 1 and _SILENT_E.search(word):
        *letters, _ = letters
        letters[-1] += "_e"
    return iter(letters) if len(letters) == sounded else None


def _vowel(phoneme: str, letters: str) -> list[str]:
    """The sounds of a vowel that some letters are written for."""
    name, stress = phoneme[:-1], phoneme[-1]
    usual = _SOUNDS[name]
    if name == "OW" and letters == "o":  # photo; but home, show
        return ["o"]
    if stress != "0" and name in ("AH", "IH"):  # Starbucks, Netflix
        return usual
    letters = letters.removesuffix("_e")
    if phoneme == "AH0" and not letters:  # Seattle
        return ["e"]
    letter = letters[:1] if name == "ER" else letters[-1:]
    return [letter, *usual[1:]] if letter and letter in _FROM_SPELLING.get(name, "") else usual


def _consonant(phoneme: str, before: Sequence[str]) -> list[str]:
    """The sounds of a consonant after some other sounds of the word."""
    if phoneme == "R" and (not before or before[-1] in ("n", "l", "s")):
        return ["r"]
    if phoneme == "Y" and (not before or before[-1] in VOWELS):
        return ["ʝ"]
    return _SOUNDS[phoneme]
