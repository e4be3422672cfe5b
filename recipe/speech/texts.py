"""The texts to speak, in pools, without those that are held out for measuring."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HELD_OUT = (
    Path(__file__).parent.parent / "held_out.txt"
)  # ids; every tenth, so kinds keep their shares
LJSPEECH_TEST = ("LJ002-0161", "LJ002-0180")  # as in dlpo/data/ljspeech.py
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # ids become file names
CLOSED = ".?!…"  # how a whole sentence ends, quotation marks aside
QUOTES = "\"'”’)"
Reading = list[tuple[str, tuple[str, ...]]]
"""letters, and the word of each letter, of every sentence"""


@dataclass(frozen=True, slots=True)
class Text:
    """A text to speak."""

    id: str
    text: str
    """Words and punctuation, no digits."""
    pool: str
    """Kind of text: conversation, prose or drill."""

    @property
    def expected_s(self) -> float:
        """Rough length when spoken; it counts until the clip is there."""
        return 0.6 + len(self.text) / 15

    @property
    def begins_open(self) -> bool:
        """Whether it starts inside a sentence."""
        return self.text[:1].islower()

    @property
    def ends_open(self) -> bool:
        """Whether it stops inside a sentence, so that its last pitch is no end's."""
        return self.text.rstrip(QUOTES)[-1:] not in CLOSED


def held_out(path: Path = HELD_OUT) -> frozenset[str]:
    """Ids of the texts that nothing learns from."""
    return frozenset(path.read_text(encoding="utf-8").split())


def read_letters(path: Path) -> dict[str, Reading]:
    """The readings of texts, by id, from what `python -m recipe.speech letters` writes.

    Args:
        path: lines of id, letters and a JSON list of words, between tabs; a line a sentence.
    """
    found = dict[str, Reading]()
    for line in path.read_text(encoding="utf-8").splitlines():
        name, letters, words = line.split("\t")
        found.setdefault(name, []).append((letters, tuple(json.loads(words))))
    return found


def read_texts(path: Path, pool: str, digits: bool = False, measured: bool = False) -> list[Text]:
    """The texts of a file of `id|text` lines (the last field counts), less what is held out.

    Args:
        digits: whether the texts may have some, as those whose letters are given.
        measured: the texts that are held out instead.

    Raises:
        ValueError: a line without a new, plain id and a text without digits.
    """
    kept = []
    seen = set[str]()
    out = held_out()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        clip, *rest = line.split("|")
        text = rest[-1].strip() if rest else ""
        unreadable = not digits and re.search(r"\d", text)
        if not SAFE_ID.fullmatch(clip) or clip in seen or not text or unreadable:
            raise ValueError(
                f"{path}:{number}: {line[:60]!r}; expected id|text, a new id of letters and digits "
                "and a text whose numbers are words"
            )
        seen.add(clip)
        held = clip in out or LJSPEECH_TEST[0] <= clip <= LJSPEECH_TEST[1]
        if held == measured:
            kept.append(Text(clip, text, pool))
    return kept


def words(texts: Iterable[Text]) -> list[str]:
    """Every word of the texts, lower case, in order, repeated as often as it occurs."""
    return [w for t in texts for w in re.findall(r"[a-z]+(?:'[a-z]+)?", t.text.lower())]
