"""Words -> phonemes: dictionary, lexicon, endings on known words, and the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from dlpo.text.homographs import choose
from dlpo.text.letter_to_sound import LetterToSound
from dlpo.text.lexicon import Lexicon
from dlpo.text.weak_forms import weak_form

Phonemes = tuple[str, ...]

_CACHED_WORDS = 20_000
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_ENDINGS = {"ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S", "ful": "F AH0 L", "ing": "IH0 NG"}
_BEGINNINGS = {"un": "AH0 N", "non": "N AA2 N", "over": "OW2 V ER0", "under": "AH2 N D ER0"}


class Pronouncer:
    """Knows how every word sounds, alone and among its neighbours. Safe to share by threads."""

    def __init__(self) -> None:
        self.lexicon = Lexicon()
        self._letter_to_sound = LetterToSound()
        self._unlisted = lru_cache(maxsize=_CACHED_WORDS)(self._derive)

    def phonemes(
        self,
        words: Sequence[str],
        known: Mapping[str, Phonemes],
        given: Mapping[int, Phonemes] = MappingProxyType({}),
    ) -> list[Phonemes]:
        """The words of one sentence -> phonemes of each.

        Args:
            words: lower case, but for single capitals (perhaps with 's), which are letters.
            known: pronunciations that go before all others.
            given: those of single words, by their index, that go before even these.
        """
        alone = [
            given.get(index)
            or self._alone(word, known, words[index - 1] if index else "", following)
            for index, (word, following) in enumerate(zip(words, [*words[1:], ""], strict=True))
        ]
        spoken: list[Phonemes] = []
        for index, word in enumerate(words):
            previous = spoken[-1][-1] if spoken else ""
            following = alone[index + 1][0] if index + 1 < len(alone) else ""
            fixed = word in known or index in given
            weak = None if fixed else weak_form(word, previous, following)
            spoken.append(weak or alone[index])
        return spoken

    def _alone(
        self, word: str, known: Mapping[str, Phonemes], previous: str, following: str
    ) -> Phonemes:
        if found := known.get(word.lower()):
            return found
        if word[0].isupper():
            return self._letter(word)
        if listed := self.lexicon.pronunciations(word):
            return choose(listed, previous, following).phonemes
        return self._unlisted(word)

    def _letter(self, word: str) -> Phonemes:
        """``"B"`` -> B IY1, ``"B's"`` -> B IY1 Z."""
        name = self.lexicon.pronunciations(word[0].lower())[-1].phonemes
        return with_s(name) if len(word) > 1 else name

    def _derive(self, word: str) -> Phonemes:
        return (
            self._inflected(word)
            or self._letter_to_sound.phonemes(word)
            or tuple(p for letter in word if letter != "'" for p in self._letter(letter))
        )

    def _inflected(self, word: str) -> Phonemes | None:
        """A known word with a common ending or beginning, or None."""
        for ending in ("'s", "s'", "s"):
            if word.endswith(ending) and not word.endswith("ss"):
                stem = self._known(word.removesuffix(ending))
                return with_s(stem) if stem else None
        if word.endswith("ed") and (stem := self._verb_stem(word[:-2])):
            return with_ed(stem)
        for ending, sound in _ENDINGS.items():
            stem_letters = word.removesuffix(ending)
            if stem_letters == word:
                continue
            stem = self._verb_stem(stem_letters) if ending == "ing" else self._known(stem_letters)
            if stem:
                return (*stem, *sound.split())
        for beginning, sound in _BEGINNINGS.items():
            if word.startswith(beginning) and (stem := self._known(word[len(beginning) :])):
                return (*sound.split(), *stem)
        return None

    def _verb_stem(self, letters: str) -> Phonemes | None:
        """Letters before -ed or -ing -> the verb: alight-ed, adduc-ed, pinn-ed."""
        candidates = [letters + "e", letters]
        if letters[-1:] == letters[-2:-1]:
            candidates.append(letters[:-1])
        return next(filter(None, map(self._known, candidates)), None)

    def _known(self, word: str) -> Phonemes | None:
        listed = self.lexicon.pronunciations(word) if len(word) > 2 else ()
        return listed[0].phonemes if listed else None


def with_s(stem: Phonemes) -> Phonemes:
    """A plural, a possessive or a third person: cats, dogs, foxes."""
    if stem[-1] in _HISSING:
        return (*stem, "IH0", "Z")
    return (*stem, "S" if stem[-1] in _VOICELESS else "Z")


def with_ed(stem: Phonemes) -> Phonemes:
    """A past tense: liked, loved, wanted."""
    if stem[-1] in ("T", "D"):
        return (*stem, "IH0", "D")
    return (*stem, "T" if stem[-1] in _VOICELESS | _HISSING - {"Z", "ZH", "JH"} else "D")
