"""The English lexicon: a word in lower case -> its pronunciations, the most usual first.

Made of gruut's (MIT) by scripts/pack_lexicon.py. The file is read in place:

    8 bytes     DLPOLEX1
    u32         length of the header
    header      zlib of JSON: phonemes, roles, and of each block its first word and its place
    blocks      zlib of lines "word<tab>role and phonemes", each of them one character

so that a look-up unpacks 2 kB, and searches them at the speed of `str.find`.
"""

from __future__ import annotations

import json
import struct
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

MAGIC = b"DLPOLEX1"
FIRST = 0x21  # code of the first phoneme or role; none is a tab or a line's end
_CACHED_WORDS = 20_000


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word."""

    phonemes: tuple[str, ...]
    role: str
    """Part of speech it belongs to in Penn tags (``VB``, ``VBD``, ``NN``, ``JJ``), "" for any."""


class Lexicon:
    """The lexicon, whole in memory: 1 MB. Safe to share between threads.

    ``corrections``: word -> phonemes with spaces between, as the first column of its row, instead
    of what the file has. ``path``: by default the file that ships with the package.
    """

    def __init__(
        self,
        corrections: Mapping[str, Sequence[str]] = MappingProxyType({}),
        path: Path | None = None,
    ) -> None:
        self._corrections = corrections
        data = (path or Path(__file__).with_suffix(".bin")).read_bytes()
        start = len(MAGIC) + 4
        (size,) = struct.unpack_from("<I", data, len(MAGIC))
        header = json.loads(zlib.decompress(data[start : start + size]))
        self._phonemes: list[str] = header["phonemes"]
        self._roles: list[str] = header["roles"]
        self._words: list[str] = header["words"]
        self._places: list[int] = header["places"]
        self._blocks = data[start + size :]
        self.pronunciations = lru_cache(maxsize=_CACHED_WORDS)(self._pronunciations)

    def __contains__(self, word: str) -> bool:
        return bool(self.pronunciations(word))

    def _pronunciations(self, word: str) -> tuple[Pronunciation, ...]:
        if corrected := self._corrections.get(word):
            return (Pronunciation(tuple(corrected[0].split()), role=""),)
        block = bisect_right(self._words, word) - 1
        if block < 0 or not word or "\n" in word or "\t" in word:
            return ()
        packed = self._blocks[self._places[block] : self._places[block + 1]]
        lines, wanted = zlib.decompress(packed).decode(), f"\n{word}\t"
        found, at = list[Pronunciation](), lines.find(wanted)
        while at >= 0:
            start = at + len(wanted)
            said = lines[start + 1 : lines.index("\n", start)]
            phonemes = tuple(self._phonemes[ord(one) - FIRST] for one in said)
            found.append(Pronunciation(phonemes, self._roles[ord(lines[start]) - FIRST]))
            at = lines.find(wanted, start)
        return tuple(found)
