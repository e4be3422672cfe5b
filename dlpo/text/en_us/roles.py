"""Nouns and verbs of one spelling: which of them a word is, by the words around it.

Words of which that decides more than two sounds, or other things decide, are in `heteronyms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlpo.text.en_us.tables import word_list

_BEFORE_VERBS = word_list("before verbs")
_BEFORE_NOUNS = word_list("before nouns")
_BEFORE_PARTICIPLES = word_list("before participles")
_BEFORE_EITHER = word_list("before either")
_BEFORE_THIRD_PERSONS = word_list("before third persons")
_AFTER_VERBS = word_list("after verbs")
_AFTER_NOUNS = word_list("after nouns") | word_list("after nouns that change")
_AFTER_CLAUSES = word_list("after clauses")
_ADVERBS = word_list("adverbs before verbs")
_NO_PLURALS = word_list("no plurals")
_BEFORE_ADVERBS = word_list("before adverbs")
_ASKING = ("do", "does", "did")  # Does copper conduct?
_AUXILIARIES = word_list("auxiliaries")
_SUBJECTS = word_list("subjects of questions")
_AFTER_PLURALS = word_list("verbs after plurals")
_NAMED_BY_NOUNS = word_list("are named by two nouns")
_ADJECTIVES = ("al", "ic", "ous", "ive", "able", "ible", "ful", "less", "ary", "est", "ern")
_NOUN, _VERB = ("NN", "JJ"), ("VB",)


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word."""

    phonemes: tuple[str, ...]
    role: str
    """Part of speech it belongs to in Penn tags (``VB``, ``VBD``, ``NN``, ``JJ``), "" for any."""


def choose(
    pronunciations: Sequence[Pronunciation], words: Sequence[str], index: int
) -> tuple[Pronunciation, str]:
    """The pronunciation that fits the ``index``-th of lower-case words, or the first; and why."""
    if len(pronunciations) == 1:
        return pronunciations[0], "lexicon"
    roles = _likely_roles(words, index)
    for pronunciation in pronunciations:
        if pronunciation.role in roles:
            return pronunciation, f"lexicon, {pronunciation.role} by roles.py"
    return pronunciations[0], "lexicon, the first since roles.py names none"


def _likely_roles(words: Sequence[str], index: int) -> tuple[str, ...]:
    following = words[index + 1] if index + 1 < len(words) else ""
    if words[index] in _AFTER_PLURALS and index > 1 and words[index - 2] in _ASKING:
        return _VERB
    before = index - 1
    while before >= 0 and (words[before] in _ADVERBS or _is_adverb(words, before)):
        before -= 1
    previous = words[before] if before >= 0 else ""
    if words[index].endswith("s") and previous in _BEFORE_THIRD_PERSONS:
        return _VERB
    if previous in _BEFORE_VERBS or (
        before > 0 and previous in _SUBJECTS and words[before - 1] in _AUXILIARIES
    ):
        return _VERB
    if previous in _BEFORE_NOUNS or previous.endswith("'s"):
        return _NOUN
    if previous in _BEFORE_PARTICIPLES:
        return ("VBD", "JJ")
    if following == "of" or following in _AFTER_NOUNS:
        return ("NN",)
    if following in _AFTER_VERBS:
        return _VERB
    if not previous or previous in _BEFORE_EITHER:
        return ()
    return _after_content(words[index], previous, following)


def _after_content(word: str, previous: str, following: str) -> tuple[str, ...]:
    """The roles after a noun or an adjective: prices decrease; a price decrease."""
    if word.endswith("s") or previous.endswith("ly") or word in _BEFORE_VERBS:
        return ()
    if _is_plural(previous):
        acts = word in _AFTER_PLURALS and following not in _NAMED_BY_NOUNS
        return _VERB if acts or not following or following in _AFTER_CLAUSES else ()
    return ("NN",)


def _is_adverb(words: Sequence[str], index: int) -> bool:
    """Whether a word in -ly stands between a subject and its verb: "I strongly object"."""
    return index > 0 and words[index].endswith("ly") and words[index - 1] in _BEFORE_ADVERBS


def _is_plural(word: str) -> bool:
    is_other = word.endswith(("ss", "us", "is", "'s", *_ADJECTIVES)) or word in _NO_PLURALS
    return word.endswith("s") and not is_other
