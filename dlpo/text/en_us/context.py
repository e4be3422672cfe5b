"""What is beside a written form: the words before and after it, and what they show."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import opens_sentence
from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.tables import any_of, word_list

# Capitalized after an abbreviation or an initial, these begin a new sentence.
_SENTENCE_STARTERS = word_list("sentence starters")
_BETWEEN = late(
    rf"(?i)\bbetween (?:(?:the )?(?:{any_of('between ranges')})\.? (?:of )?)?"
    r"(?:[$£€]?[\d.,:/]{1,9}\s?(?:[ap]\.?m\.?|%|[a-z°\"']{0,3})"
    rf"|(?:{any_of('between ranges')})\.?(?: \d{{1,2}})?)?$"
)
_OTHER_RANGE = late(r"\S{0,9}(?: [ap]\.?m\.?| [a-z]{2,10})? and [$£€]?\d")
INITIAL = late(r"\.\s{1,2}[A-Z]")  # the rest of an initial and the start of a name
_WORD_AFTER = late(  # a 24' x 30' garage
    r"(?:\s?(?:[x×]|by)\s?\d{1,3}(?:\.\d{1,2}| ?1/2)?\s?['\"]){0,2} ([A-Za-z]{2,20})\b"
)
_NEXT_CAPITALISED = late(r"\s{1,2}(?![NSEW]\b)([A-Z]\.|[A-Z][A-Za-z]{0,40}(?:'[a-z]{1,3})?)")


def to_or_and(match: re.Match[str]) -> list[str]:
    """How a dash is said: between 5-10 minutes, but "from 5-10" and "between 9-10 and 2-3"."""
    has_other = _OTHER_RANGE.match(match.string, match.end())
    return ["and" if _BETWEEN.search(text_before(match)) and not has_other else "to"]


def word_after(match: re.Match[str]) -> str:
    """The word of two letters or more after the match and more sides, in lower case, or ""."""
    found = _WORD_AFTER.match(match.string, match.end())
    return found[1].lower() if found else ""


def name_follows(match: re.Match[str]) -> bool:
    """Whether a capital follows that isn't the first of a new sentence: "St. Paul"."""
    found = _NEXT_CAPITALISED.match(match.string, match.end())
    return found is not None and not opens_sentence(found[1].lower(), _SENTENCE_STARTERS)
