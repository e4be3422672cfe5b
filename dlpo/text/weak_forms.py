"""Small words whose sound depends on their neighbours: the owl, the cat; to eat, to go.

Each entry is what the aligner heard most often in the reader's recordings in that place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
