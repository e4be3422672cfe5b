"""Words -> phonemes: dictionary, lexicon, endings on known words, and the net; then in context.

Two things depend on the neighbors of a word: which pronunciation a homograph has (I read it, I
have read it; a record), and the sound of small words (the owl, the cat; to eat, to go).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from dlpo.text.letter_to_sound import LetterToSound
from dlpo.text.symbols import PHONEMES

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


_ARPABET = {
    "b": "B", "d": "D", "f": "F", "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P",
    "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z", "ɡ": "G", "ŋ": "NG", "ɹ": "R", "ʃ": "SH",
    "ʒ": "ZH", "θ": "TH", "ð": "DH", "d͡ʒ": "JH", "t͡ʃ": "CH", "j": "Y",
    "ə": "AH", "ɪ": "IH", "ɚ": "ER", "i": "IY", "ɛ": "EH", "ɑ": "AA", "æ": "AE", "oʊ": "OW",
    "eɪ": "EY", "ɔ": "AO", "ʌ": "AH", "aɪ": "AY", "u": "UW", "aʊ": "AW", "ʊ": "UH", "ɔɪ": "OY",
}  # fmt: skip
_STRESS = {"ˈ": "1", "ˌ": "2"}
_VOWEL_LETTERS = frozenset("əɪɚiɛɑæoeɔʌauʊ")
_LEXICON_VOWELS = frozenset(phoneme for phoneme in PHONEMES if phoneme[-1].isdigit())
# A weak vowel that the lexicon writes as IH0 is AH0 in the alignments, on which voices are trained,
# after the first vowel of a word before these, and before T after those.
_AH0_BEFORE = frozenset(("S", "F", "B", "M"))
_AH0_BEFORE_T_AFTER = frozenset(("R", "N", "L", "M", "T", "ER0", "IY0"))


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word."""

    phonemes: tuple[str, ...]
    role: str
    """Part of speech it belongs to in Penn tags (``VB``, ``VBD``, ``NN``, ``JJ``), "" for any."""


class Lexicon:
    """A word in lower case -> its pronunciations, the most usual first.

    Safe to share by threads.
    """

    def __init__(self) -> None:
        path = str(files("gruut_lang_en") / "lexicon.db")
        self._rows = sqlite3.connect(
            f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._lock = threading.Lock()
        (self._row_count,) = self._rows.execute("SELECT max(id) FROM word_phonemes").fetchone()
        self.pronunciations = lru_cache(maxsize=_CACHED_WORDS)(self._pronunciations)

    def __contains__(self, word: str) -> bool:
        return bool(self.pronunciations(word))

    def _pronunciations(self, word: str) -> tuple[Pronunciation, ...]:
        if corrected := CORRECTIONS.get(word):
            return (Pronunciation(tuple(corrected.split()), role=""),)
        with self._lock:
            low, high = 1, self._row_count + 1
            while low < high:  # the first row that is not before the word
                middle = (low + high) // 2
                query = "SELECT word FROM word_phonemes WHERE id = ?"
                (found,) = self._rows.execute(query, (middle,)).fetchone()
                if found < word:
                    low = middle + 1
                else:
                    high = middle
            query = "SELECT phonemes, role FROM word_phonemes WHERE id >= ? AND id < ? AND word = ?"
            rows = self._rows.execute(query, (low, low + 8, word)).fetchall()
        return tuple(
            Pronunciation(_to_arpabet(ipa), role.removeprefix("gruut:")) for ipa, role in rows
        )


def _to_arpabet(ipa: str) -> tuple[str, ...]:
    """``"h ə l ˈoʊ"`` -> HH AH0 L OW1."""
    phonemes = []
    for sound in ipa.split():
        stress = _STRESS.get(sound[0], "0")
        plain = sound.lstrip("ˈˌ")
        phonemes.append(_ARPABET[plain] + (stress if plain[0] in _VOWEL_LETTERS else ""))
    vowel_before = False
    for index in range(1, len(phonemes) - 1):
        before, phoneme, after = phonemes[index - 1 : index + 2]
        vowel_before |= before in _LEXICON_VOWELS
        if phoneme == "IH0" and vowel_before:
            if after in _AH0_BEFORE or (after == "T" and before in _AH0_BEFORE_T_AFTER):
                phonemes[index] = "AH0"
        elif phoneme == "NG" and before in ("IH0", "AH0") and after in ("K", "G"):
            phonemes[index] = "N"  # in-come, un-kind
    return tuple(phonemes)


CORRECTIONS = {
    "actual": "AE1 K SH AH0 L", "actually": "AE1 K SH AH0 L IY0",
    "admitted": "AH0 D M IH1 T AH0 D", "adopted": "AH0 D AA1 P T AH0 D",
    "although": "AO2 L DH OW1", "always": "AO1 L W IY0 Z",
    "application": "AE2 P L AH0 K EY1 SH AH0 N", "apprehended": "AE2 P R IH0 HH EH1 N D AH0 D",
    "associated": "AH0 S OW1 S IY0 EY2 T AH0 D", "association": "AH0 S OW2 S IY0 EY1 SH AH0 N",
    "attempted": "AH0 T EH1 M P T AH0 D", "attended": "AH0 T EH1 N D AH0 D",
    "automobile": "AO1 T AH0 M OW0 B IY2 L", "became": "B IY0 K EY1 M", "began": "B IY0 G AE1 N",
    "beyond": "B IY2 AO1 N D", "borough": "B ER1 OW2", "cannot": "K AE1 N AA0 T",
    "capital": "K AE1 P AH0 T AH0 L", "charles": "CH AA1 R AH0 L Z",
    "committed": "K AH0 M IH1 T AH0 D", "concluded": "K AH0 N K L UW1 D AH0 D",
    "convicted": "K AH0 N V IH1 K T AH0 D", "decided": "D IH2 S AY1 D IH0 D",
    "depository": "D IH0 P AA1 Z AH0 T AO2 R IY0", "direction": "D ER0 EH1 K SH AH0 N",
    "directly": "D ER0 EH1 K T L IY0", "director": "D ER0 EH1 K T ER0",
    "during": "D Y UH1 R IH0 NG", "duty": "D Y UW1 T IY0", "eighteen": "EY1 T IY1 N",
    "either": "AY1 DH ER0", "enforcement": "EH0 N F AO1 R S M AH0 N T",
    "engaged": "EH0 N G EY1 JH D", "especially": "AH0 S P EH1 SH AH0 L IY0",
    "essential": "AH0 S EH1 N CH AH0 L", "even": "IY1 V IH0 N",
    "eventually": "IH0 V EH1 N SH AH0 L IY0", "exhibited": "IH0 G Z IH1 B AH0 T AH0 D",
    "extraordinary": "IH0 K S T R AO1 R D AH0 N EH2 R IY0", "extreme": "EH0 K S T R IY1 M",
    "family": "F AE1 M L IY0", "fifteen": "F IH1 F T IY1 N", "fourteen": "F AO1 R T IY1 N",
    "given": "G IH1 V IH0 N", "here": "HH IY1 R", "hospital": "HH AA1 S P IH2 T AH0 L",
    "incident": "IH1 N S AH0 D AH0 N T", "indicate": "IH1 N D AH0 K EY2 T",
    "indicated": "IH1 N D AH0 K EY2 T AH0 D", "individual": "IH2 N D AH0 V IH1 JH AH0 W AH0 L",
    "individuals": "IH2 N D AH0 V IH1 JH AH0 W AH0 L Z",
    "information": "IH2 N F ER0 M EY1 SH AH0 N", "intelligence": "IH0 N T EH1 L AH0 JH AH0 N S",
    "interest": "IH1 N T R AH0 S T", "interests": "IH1 N T R AH0 S T S",
    "introduced": "IH2 N T R AH0 D UW1 S T", "medical": "M EH1 D AH0 K AH0 L",
    "mexico": "M EH1 K S AH0 K OW2", "neither": "N AY1 DH ER0", "occasion": "AH0 K EY1 ZH AH0 N",
    "often": "AO1 F AH0 N", "ordinary": "AO1 R D AH0 N EH2 R IY0", "outside": "AW1 T S AY1 D",
    "personal": "P ER1 S IH0 N IH0 L", "political": "P AH0 L IH1 T AH0 K AH0 L", "poor": "P UW1 R",
    "practical": "P R AE1 K T AH0 K AH0 L", "presented": "P R IY0 Z EH1 N T AH0 D",
    "presidential": "P R EH2 Z AH0 D EH1 N CH AH0 L", "prisoners": "P R IH1 Z AH0 N ER0 Z",
    "private": "P R AY1 V AH0 T", "procedures": "P R AH0 S IY1 JH ER0 Z",
    "proceeded": "P R AH0 S IY1 D AH0 D", "protect": "P ER0 T EH1 K T",
    "protective": "P ER0 T EH1 K T IH0 V", "radio": "R EY1 D IY0 OW2",
    "reported": "R IH0 P AO1 R T AH0 D", "return": "R IY0 T ER1 N", "returned": "R IY0 T ER1 N D",
    "several": "S EH1 V R AH0 L", "similar": "S IH1 M AH0 L ER0",
    "suggested": "S AH0 G JH EH1 S T IH0 D", "toward": "T AO1 R D", "towards": "T AO1 R D Z",
    "want": "W AA1 N T", "wanted": "W AA1 N T AH0 D", "washington": "W AA1 SH IH0 NG T AH0 N",
    "watch": "W AA1 CH",
}  # fmt: skip
"""Word -> phonemes; chosen on the training part of the LJSpeech alignments."""
