"""Whether the period of an abbreviation ends its sentence: what a `Chooser` is asked about it."""

from __future__ import annotations

import re
from typing import NamedTuple

from dlpo.text.common.chooser import Candidate, Chooser
from dlpo.text.common.language import Token
from dlpo.text.common.neighbors import neighbors_after, neighbors_before

KIND = "period"
"""Weights that all abbreviations share."""
_LETTERS = re.compile(r"(?:[^\W\d_]\.){1,6}[^\W\d_]?$|[^\W\d_]{1,6}$")
_JOINING = ("/", "-", "&")
_BEFORE = 3  # words before an abbreviation that are looked at


class Period(NamedTuple):
    """A period between two words, the second of which has a capital."""

    name: str
    """Of the weights for an end after this abbreviation: ``"st ."``."""
    words: list[str]
    """Those of the clause before it, the abbreviation and the word after it, for a `Chooser`."""
    place: int
    """Of the abbreviation among them."""


def period_after(text: str, token: Token, following: Token) -> Period | None:
    """What is beside the period after a token; None if that has no letters at its end."""
    found = _LETTERS.search(text[token.start : token.end].rstrip("."))
    if not found:
        return None
    near_before = neighbors_before(text, token.start + found.start())
    key = found[0].replace(".", "")
    if len(key) == 1 and key.isupper():  # of a name, or of a thing: option B
        if near_before and near_before[0].text[0].isdigit():  # 5G
            return None
        beside = near_before[0].text if near_before else ""
        is_thing = beside.islower() or beside in _JOINING
        key = (key if key == "I" else "letter") if is_thing else "initial"
    key = key.lower()
    before = list[str]()
    for near in near_before[: _BEFORE + 2]:
        if near.text == "." and not before and key == "initial":  # H. G. Wells
            continue
        if not (near.text[0].isalnum() or near.text == "-") or len(before) == _BEFORE:
            break
        if before or not near.text[0].isdigit():  # "at 5 p.m." as "at p.m."
            before.insert(0, _word(near.text))
    after = [following.words[0] if following.text[0].isalpha() else following.text]
    after += [near.text for near in neighbors_after(text, following.end)[:1]]
    return Period(f"{key} .", [*before, key, *map(_word, after)], len(before))


def ends_by(model: Chooser, period: Period, is_own: bool) -> bool:
    """Whether a sentence ends at a period, by a model.

    ``is_own``: it is surely an abbreviation's, whose sentence goes on without evidence. Otherwise
    it ends, and only weights of this word's own count.
    """
    end, none = Candidate(period.name, KIND if is_own else ""), Candidate("", "")
    candidates = [none, end] if is_own else [end, none]
    choice = model.choose(candidates, period.words, period.place)
    return is_own == bool(choice and choice.chosen)


def _word(written: str) -> str:
    """As the model knows it: letters and capitals are names."""
    if written[0].isdigit():
        return "#"
    return written if len(written) == 1 else written.lower()
