"""Words -> phonemes: dictionary, lexicon, endings on known words, and the net; then in context.

Two things depend on the neighbors of a word: which pronunciation a homograph has (I read it, I
have read it; a record), and the sound of small words (the owl, the cat; to eat, to go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlpo.text.common.language import Phonemes
from dlpo.text.en_us.heteronyms import Decision, decide, heteronyms
from dlpo.text.en_us.lexicon import Lexicon
from dlpo.text.en_us.tables import TABLES, table

if TYPE_CHECKING:
    from dlpo.text.en_us.letter_to_sound import LetterToSound

_CACHED_WORDS = 20_000
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_HISSING_PLURALS = ("ses", "xes", "zes", "ches", "shes")  # octopuses
_PARTS = TABLES.rows("word_parts")
_ENDINGS, _COMBINING, _OF_NAMES, _ARTICLES, _BEGINNINGS = (
    {part: sound for part, kind, sound, _ in _PARTS if kind == one}
    for one in ("ending", "combining form", "ending of a name", "article", "beginning")
)
_CONTRACTIONS = {part: (vowel, sound) for part, _, sound, vowel in _PARTS if vowel}
# Chosen on the training part of the LJSpeech alignments; and technical words that lexicons lack.
# Besides, names of people, brands, food, places and medicines, and words from other languages.
_CORRECTIONS = table("names") | table("pronunciations")


@cache
def lexicon() -> Lexicon:
    """The lexicon with our corrections, of which one serves all."""
    return Lexicon(_CORRECTIONS)


class Pronouncer:
    """Knows how every word sounds, alone and among its neighbors. Safe to share between threads."""

    def __init__(self) -> None:
        self.lexicon = lexicon()
        self._unlisted = lru_cache(maxsize=_CACHED_WORDS)(self._derive)

    @cached_property
    def _letter_to_sound(self) -> LetterToSound:
        from dlpo.text.en_us.letter_to_sound import LetterToSound  # numpy, with the first new word

        return LetterToSound()

    def phonemes(
        self,
        words: Sequence[str],
        known: Mapping[str, Phonemes],
        given: Mapping[int, Phonemes] = MappingProxyType({}),
    ) -> list[Phonemes]:
        """The words of one sentence -> phonemes of each.

        Args:
            words: lower case, except single capitals (perhaps with 's), which are letters, and
                heteronyms that are names.
            known: pronunciations that override all others.
            given: those of single words, by their index, which override even these.
        """
        return [phonemes for phonemes, _ in self._sounds(words, known, given)]

    def sources(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[str]:
        """See `Language`; names the other readings of a word that has several."""
        found = []
        for phonemes, source in self._sounds(words, known, given):
            readings = source.readings if isinstance(source, Decision) else ()
            others = {" ".join(one) for one in readings if one != phonemes}
            found.append(f"{source}, not {' or '.join(sorted(others))}" if others else str(source))
        return found

    def _sounds(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[tuple[Phonemes, str | Decision]]:
        """The phonemes of each word, and what says so."""
        alone = [
            (given[index], "accents or the document")
            if index in given
            else self._alone(word, known, words, index)
            for index, word in enumerate(words)
        ]
        spoken: list[tuple[Phonemes, str | Decision]] = []
        for index, word in enumerate(words):
            previous = spoken[-1][0][-1] if spoken else ""
            following = alone[index + 1][0][0] if index + 1 < len(alone) else ""
            fixed = word in known or index in given
            weak = None if fixed else weak_form(word, previous, following)
            spoken.append((weak, "en_us/weak_forms.tsv") if weak else alone[index])
        return spoken

    def _alone(
        self, word: str, known: Mapping[str, Phonemes], words: Sequence[str], index: int
    ) -> tuple[Phonemes, str | Decision]:
        if found := known.get(word.lower()):
            return found, "dictionary"
        is_heteronym = word in heteronyms()
        if word[0].isupper() and not is_heteronym:
            return self._letter(word), "spelled"
        listed = self.lexicon.pronunciations(word.lower())
        if is_heteronym or len(listed) > 1:
            decision = decide(words, index, listed)
            return decision.phonemes, decision
        return (listed[0].phonemes, "lexicon") if listed else self._unlisted(word)

    def _letter(self, word: str) -> Phonemes:
        """``"B"`` -> B IY1, ``"B's"`` -> B IY1 Z, ``"P'd"`` of RSVP'd -> P IY1 D."""
        name = self.lexicon.pronunciations(word[0].lower())[-1].phonemes
        ending = word[1:]
        if ending in ("'d", "'ed"):
            return with_ed(name)
        if ending == "'ing":
            return (*name, "IH0", "NG")
        return contracted(name, ending) or (with_s(name) if ending else name)

    def _derive(self, word: str) -> tuple[Phonemes, str]:
        if found := self._inflected(word):
            return found, "a word with an ending or a beginning of en_us/word_parts.tsv"
        if found := self._name(word) or self._letter_to_sound.phonemes(word):
            return found, "letter-to-sound"
        return tuple(p for one in word if one != "'" for p in self._letter(one)), "spelled"

    def _name(self, word: str) -> Phonemes | None:
        """A name with a beginning or an ending of its own: McKellen, Ibrahimovic."""
        if word.startswith("mc") and len(word) > 4:
            rest = self._known(word[2:]) or self._letter_to_sound.phonemes(word[2:])
            return ("M", "AH0", *(() if rest[0] in ("K", "G") else ("K",)), *rest)
        for ending, sound in _OF_NAMES.items():
            stem = word.removesuffix(ending)
            if stem != word and len(stem) > 2:
                return (*self._letter_to_sound.phonemes(stem), *sound.split())
        return None

    def _inflected(self, word: str) -> Phonemes | None:
        """The phonemes of a known word with a common ending or beginning, or None."""
        if word.endswith("in'") and (stem := self._known(word[:-1] + "g")):
            return (*stem[:-1], "N")
        for ending in _CONTRACTIONS:
            stem_letters = word.removesuffix(ending)
            if stem_letters != word and (stem := self._before_contraction(stem_letters)):
                return contracted(stem, ending)
        if found := self._with_article(word):
            return found
        for ending in ("'s", "s'", "s"):
            if word.endswith(ending) and not word.endswith("ss"):
                if stem := self._known(word.removesuffix(ending)):
                    return with_s(stem)
                break
        is_plural = word.endswith(_HISSING_PLURALS) and not word.endswith("sises")
        if is_plural and (stem := self._known(word[:-2])):
            return with_s(stem)
        if word.endswith("ed") and (stem := self._verb_stem(word[:-2])):
            return with_ed(stem)
        for ending, sound in _ENDINGS.items():
            stem_letters = word.removesuffix(ending)
            if stem_letters == word:
                continue
            stem = self._verb_stem(stem_letters) if ending == "ing" else self._known(stem_letters)
            if stem:
                return (*stem, *sound.split())
        for beginning, sound in _COMBINING.items():
            rest = word.removeprefix(beginning)
            if rest != word and len(rest) > 4:
                if stem := self._known(rest):
                    return (*sound.split(), *stem)
                if len(rest) > 7 and len(beginning) > 4:
                    return (
                        *sound.split(),
                        *(self._inflected(rest) or self._letter_to_sound.phonemes(rest)),
                    )
        for beginning, sound in _BEGINNINGS.items():
            if word.startswith(beginning) and (stem := self._known(word[len(beginning) :])):
                return (*sound.split(), *stem)
        return None

    def _before_contraction(self, word: str) -> Phonemes | None:
        """The word before 've and the like: "who'd" of "who'd've"."""
        listed = self.lexicon.pronunciations(word)
        return listed[0].phonemes if listed else self._inflected(word) if "'" in word else None

    def _with_article(self, word: str) -> Phonemes | None:
        """A name after one letter and an apostrophe: d'Arc, L'Aquila, O'Dowd."""
        beginning, apostrophe, name = word.partition("'")
        if not apostrophe or len(beginning) != 1 or len(name) < 3:
            return None
        if name.endswith("'s"):
            stem = self._with_article(word.removesuffix("'s"))
            return with_s(stem) if stem else None
        if whole := self.lexicon.pronunciations(word):
            return whole[0].phonemes
        known = self._known(name)
        if beginning == "o":
            return ("OW0", *(known or self._letter_to_sound.phonemes(name)))
        if known and known[0][-1].isdigit() and beginning in _ARTICLES:
            return (_ARTICLES[beginning], *known)
        return self._letter_to_sound.phonemes(beginning + name)

    def _verb_stem(self, letters: str) -> Phonemes | None:
        """Letters before -ed or -ing -> the verb: alight-ed, adduc-ed, pinn-ed."""
        candidates = [letters + "e", letters]
        if letters[-1:] == letters[-2:-1]:
            candidates.append(letters[:-1])
        return next(filter(None, map(self._known, candidates)), None)

    def _known(self, word: str) -> Phonemes | None:
        listed = self.lexicon.pronunciations(word) if len(word) > 2 else ()
        return listed[0].phonemes if listed else None


def contracted(stem: Phonemes, ending: str) -> Phonemes | None:
    """A word with 've and the like, or None if it is another ending."""
    if ending not in _CONTRACTIONS:
        return None
    after_vowel, after_consonant = _CONTRACTIONS[ending]
    return (*stem, *(after_vowel if stem[-1][-1].isdigit() else after_consonant).split())


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


def _neighbors(written: str) -> dict[str, str]:
    """ "vowel Y = DH IY0; L = DH AH1" -> what stands next to the word, and how it sounds there."""
    rules = (rule.split(" = ") for rule in written.split("; ") if rule)
    return {place: phonemes for places, phonemes in rules for place in places.split()}


# The usual phonemes, and those before and after certain phonemes, a vowel or an edge (silence).
_WEAK_FORMS = {
    word: (usual, _neighbors(before), _neighbors(after))
    for word, (usual, before, after) in table("weak_forms").items()
}


def weak_form(word: str, previous: str, following: str) -> tuple[str, ...] | None:
    """The phonemes of a small word between two phonemes, or None if it isn't one.

    ``previous`` is the last phoneme before it and ``following`` the first one after it, "" at the
    ends of the sentence.
    """
    form = _WEAK_FORMS.get(word)
    if form is None:
        return None
    usual, before, after = form
    chosen = before.get(_place(following)) or after.get(_place(previous)) or usual
    return tuple(chosen.split())


def _place(phoneme: str) -> str:
    if not phoneme:
        return "edge"
    return "vowel" if phoneme[-1].isdigit() else phoneme
