"""Pack gruut's English lexicon (MIT) into the form that `dlpo.text` reads in place.

    pip install gruut_lang_en==2.0.1 && python scripts/pack_lexicon.py

Writes ``dlpo/text/en_us/lexicon.bin``, see `dlpo.text.en_us.lexicon`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from dlpo.text.en_us.ipa import ARPABET
from dlpo.text.en_us.lexicon import FIRST, MAGIC

OUTPUT = Path(__file__).resolve().parents[1] / "dlpo" / "text" / "en_us" / "lexicon.bin"
_BLOCK = 128  # rows, or a few more, as a word's rows stay together
_STRESS = {"ˈ": "1", "ˌ": "2"}
_VOWEL_LETTERS = frozenset("əɪɚiɛɑæoeɔʌauʊ")
# The alignments that voices are trained on have AH0 where gruut has IH0 after a word's first
# vowel: before one of the first set, and before T if one of the second set precedes.
_AH0_BEFORE = frozenset(("S", "F", "B", "M"))
_AH0_BEFORE_T_AFTER = frozenset(("R", "N", "L", "M", "T", "ER0", "IY0"))


def rows_of_gruut() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Word, phonemes and role of each row, in the package's order."""
    spec = find_spec("gruut_lang_en")
    if spec is None or spec.origin is None:
        raise SystemExit("gruut_lang_en is not installed: pip install gruut_lang_en==2.0.1")
    rows = sqlite3.connect(f"file:{Path(spec.origin).with_name('lexicon.db')}?mode=ro", uri=True)
    for word, ipa, role in rows.execute("SELECT word, phonemes, role FROM word_phonemes"):
        yield word, to_arpabet(ipa), role.removeprefix("gruut:")


def to_arpabet(ipa: str) -> tuple[str, ...]:
    """``"h ə l ˈoʊ"`` -> HH AH0 L OW1."""
    phonemes = []
    for sound in ipa.split():
        stress = _STRESS.get(sound[0], "0")
        plain = sound.lstrip("ˈˌ")
        phonemes.append(ARPABET[plain] + (stress if plain[0] in _VOWEL_LETTERS else ""))
    vowel_before = False
    for index in range(1, len(phonemes) - 1):
        before, phoneme, after = phonemes[index - 1 : index + 2]
        vowel_before |= before[-1].isdigit()
        if phoneme == "IH0" and vowel_before:
            if after in _AH0_BEFORE or (after == "T" and before in _AH0_BEFORE_T_AFTER):
                phonemes[index] = "AH0"
        elif phoneme == "NG" and before in ("IH0", "AH0") and after in ("K", "G"):
            phonemes[index] = "N"  # in-come, un-kind
    return tuple(phonemes)


def write_lexicon(path: Path, rows: Iterable[tuple[str, Sequence[str], str]]) -> None:
    """Write the file.

    Args:
        rows: word, phonemes and role of each; a word's rows in their order.
    """
    of_words = dict[str, list[tuple[tuple[str, ...], str]]]()
    for word, phonemes, role in rows:
        of_words.setdefault(word, []).append((tuple(phonemes), role))
    every = [row for found in of_words.values() for row in found]
    known = sorted({phoneme for phonemes, _ in every for phoneme in phonemes})
    roles = sorted({role for _, role in every})
    of_phoneme = {phoneme: chr(FIRST + i) for i, phoneme in enumerate(known)}
    words, lines = list[str](), list[str]()
    places, blocks = [0], bytearray()

    def pack() -> None:
        blocks.extend(zlib.compress(f"\n{''.join(lines)}".encode(), 9))
        places.append(len(blocks))
        lines.clear()

    for word in sorted(of_words):
        if not lines:
            words.append(word)
        for phonemes, role in of_words[word]:
            said = "".join(of_phoneme[phoneme] for phoneme in phonemes)
            lines.append(f"{word}\t{chr(FIRST + roles.index(role))}{said}\n")
        if len(lines) >= _BLOCK:
            pack()
    if lines:
        pack()
    assert all(before < after for before, after in pairwise(words))
    header = {"phonemes": known, "roles": roles, "words": words, "places": places}
    packed = zlib.compress(json.dumps(header).encode(), 9)
    path.write_bytes(MAGIC + struct.pack("<I", len(packed)) + packed + blocks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    write_lexicon(output, rows_of_gruut())
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
