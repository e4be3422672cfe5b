"""Which pronunciation a word has among its neighbours: I read it, I have read it; a record.

The lexicon says which part of speech each pronunciation belongs to; the words on both sides say,
well enough, which part of speech this is.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.text.lexicon import Pronunciation

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
        return next((p for p in pronunciations if p.role in roles), pronunciations[0])
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
