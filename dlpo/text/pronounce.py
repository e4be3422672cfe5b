"""Words -> phonemes: dictionary, lexicon, endings on known words, and the net; then in context.

Two things depend on the neighbors of a word: which pronunciation a homograph has (I read it, I
have read it; a record), and the sound of small words (the owl, the cat; to eat, to go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from dlpo.text.letter_to_sound import LetterToSound
from dlpo.text.lexicon import Lexicon, Pronunciation

Phonemes = tuple[str, ...]

_CACHED_WORDS = 20_000
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_ENDINGS = {"ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S", "ful": "F AH0 L", "ing": "IH0 NG"}
_BEGINNINGS = {"un": "AH0 N", "non": "N AA2 N", "over": "OW2 V ER0", "under": "AH2 N D ER0"}


class Pronouncer:
    """Knows how every word sounds, alone and among its neighbors. Safe to share by threads."""

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


_BEFORE_VERBS = frozenset((
    "to", "will", "would", "shall", "should", "can", "could", "may", "might", "must", "do", "does",
    "did", "not", "don't", "doesn't", "didn't", "can't", "won't", "cannot", "couldn't", "wouldn't",
    "shouldn't", "i", "you", "we", "they", "who", "let's", "please", "i'll", "you'll", "we'll",
    "he'll", "she'll", "they'll", "it'll", "i'd", "you'd", "we'd", "they'd",
))  # fmt: skip
_BEFORE_NOUNS = frozenset((
    "the", "a", "an", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our",
    "their", "no", "any", "some", "each", "every", "another", "of", "in", "on", "at", "by", "with",
    "for", "from", "into", "as", "new", "old", "own", "first", "second", "last", "great", "such",
    "more", "one", "two", "what", "which", "whose",
))  # fmt: skip
_BEFORE_PARTICIPLES = frozenset((
    "was", "were", "be", "been", "being", "is", "are", "am", "has", "have", "had", "having", "he",
    "she", "it", "i've", "you've", "we've", "they've", "never", "just", "already",
))  # fmt: skip
_AFTER_VERBS = frozenset((
    "the", "a", "an", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our",
    "their", "it", "him", "them", "me", "us", "you", "himself", "themselves", "up", "out",
))  # fmt: skip


def choose(pronunciations: Sequence[Pronunciation], previous: str, following: str) -> Pronunciation:
    """The one that fits between two words in lower case ("" at the ends); the first by default."""
    if len(pronunciations) > 1:
        roles = _likely_roles(previous, following)
        for pronunciation in pronunciations:
            if pronunciation.role in roles:
                return pronunciation
    return pronunciations[0]


def _likely_roles(previous: str, following: str) -> tuple[str, ...]:
    if previous in _BEFORE_VERBS:
        return ("VB",)
    if previous in _BEFORE_NOUNS or previous.endswith("'s"):
        return ("NN", "JJ")
    if previous in _BEFORE_PARTICIPLES:
        return ("VBD", "JJ")
    if following in _AFTER_VERBS:
        return ("VB",)
    return ("NN",) if following == "of" else ()


_VOWELS = "vowel"
_EDGE = "edge"


@dataclass(frozen=True, slots=True)
class _WeakForm:
    """The usual phonemes, and those next to certain phonemes, `_VOWELS` or an `_EDGE` (silence)."""

    usual: str
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def _where(places: str, phonemes: str) -> dict[str, str]:
    return dict.fromkeys(places.split(), phonemes)


_WEAK_FORMS = {
    "a": _WeakForm("AH0"),
    "an": _WeakForm("AE1 N", after=_where("Z V D R M K DH CH", "AH0 N")),
    "and": _WeakForm("AE1 N D"),
    "as": _WeakForm("AE1 Z"),
    "for": _WeakForm("F ER0", before=_where("vowel edge", "F AO1 R")),
    "from": _WeakForm("F R AH1 M"),
    "her": _WeakForm("HH ER0"),
    "of": _WeakForm("AH0 V", after=_where("edge L M P F V R", "AH1 V")),
    "on": _WeakForm("AA1 N"),
    "our": _WeakForm("AW1 R"),
    "than": _WeakForm("DH AH0 N", before=_where("vowel", "DH AE1 N")),
    "the": _WeakForm(
        "DH AH0", before=_where("vowel Y", "DH IY0") | _where("L HH W", "DH AH1")
    ),
    "to": _WeakForm(
        "T IH0", before=_where("vowel edge HH P W Y", "T UW1") | _where("L R TH", "T AH0")
    ),
    "used": _WeakForm("Y UW1 Z D", before=_where("T", "Y UW1 S T")),
    "was": _WeakForm("W AH0 Z", before=_where("vowel DH", "W AH1 Z")),
    "were": _WeakForm("W ER0"),
    "will": _WeakForm("W AH0 L", before=_where("vowel edge", "W IH1 L")),
    "with": _WeakForm("W IH1 TH", before=_where("vowel B D G JH N V W", "W IH1 DH")),
}  # fmt: skip


def weak_form(word: str, previous: str, following: str) -> tuple[str, ...] | None:
    """The phonemes of a small word between two phonemes, or None if it isn't one.

    ``previous`` is the last phoneme before it and ``following`` the first one after it, "" at the
    ends of the sentence.
    """
    form = _WEAK_FORMS.get(word)
    if form is None:
        return None
    chosen = form.before.get(_place(following)) or form.after.get(_place(previous)) or form.usual
    return tuple(chosen.split())


def _place(phoneme: str) -> str:
    if not phoneme:
        return _EDGE
    return _VOWELS if phoneme[-1].isdigit() else phoneme
