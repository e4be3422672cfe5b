"""Forced alignments: which phoneme sounds when, from the shared TSV or from MFA TextGrids."""

from __future__ import annotations

import itertools
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TextIO

from dlpo.errors import DataError, reading
from dlpo.text.symbols import PAD, PHONEMES, START, strongest_mark

_SILENCES = {"sil", "sp", ""}
_UNKNOWN = "spn"  # the aligner did not know the word: real sound, unknown phonemes
MAX_LINE = 1_000_000  # characters
TSV_COLUMNS = ["id", "phonemes", "durations_ms", "words"]
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*", re.UNICODE)
_TIER = re.compile(r'name = "(\w+)"(.*?)(?=item \[\d+\]|\Z)', re.DOTALL)
_INTERVAL = re.compile(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "([^"]*)"')


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """One word and the half-open range of its phonemes."""

    word: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """The phonemes of one clip, contiguous from time 0."""

    id: str
    phonemes: tuple[str, ...]
    """ARPAbet with stress, `sil` for a pause, `spn` for a word that the aligner did not know"""
    durations_s: tuple[float, ...]
    words: tuple[AlignedWord, ...]

    @property
    def seconds(self) -> float:
        """The end of the last phoneme."""
        return sum(self.durations_s)

    def utterance(self, transcript: str) -> tuple[list[str], list[float]]:
        """Encoder symbols and the duration of each in seconds.

        A pause belongs to the mark after its word (0 s if there is none), the first one to
        `START`. Marks come from the punctuation of the transcript.

        Raises:
            DataError: a phoneme that is not ARPAbet, or words that leave phonemes out of order.
        """
        marks = _marks_after([w.word for w in self.words], transcript)
        symbols = [START]
        seconds = [0.0]
        at = 0
        for word, mark in zip(self.words, marks, strict=True):
            if not at <= word.first < word.end <= len(self.phonemes):
                raise DataError(
                    f"{self.id}: word {word.word!r} covers phonemes {word.first} to {word.end} of"
                    f" {len(self.phonemes)}; the previous word ends at {at}: align the clip again"
                )
            seconds[-1] += sum(self.durations_s[at : word.first])
            for i in range(word.first, word.end):
                symbols.append(self._symbol(i))
                seconds.append(self.durations_s[i])
            symbols.append(mark)
            seconds.append(0.0)
            at = word.end
        seconds[-1] += sum(self.durations_s[at:])
        return symbols, seconds

    def to_tsv(self) -> str:
        """The line of a TSV file, without its newline."""
        ends_ms = [0, *(round(1000 * end_s) for end_s in itertools.accumulate(self.durations_s))]
        durations = " ".join(str(b - a) for a, b in itertools.pairwise(ends_ms))
        words = " ".join(f"{w.word}:{w.first}-{w.end}" for w in self.words)
        return "\t".join((self.id, " ".join(self.phonemes), durations, words))

    def _symbol(self, i: int) -> str:
        phoneme = self.phonemes[i]
        if phoneme in PHONEMES:
            return phoneme
        if phoneme == _UNKNOWN or phoneme in _SILENCES:
            return PAD
        raise DataError(
            f"{self.id}: phoneme {phoneme!r} is not ARPAbet with stress; align with english_us_arpa"
        )


def _marks_after(words: list[str], transcript: str) -> list[str]:
    """The boundary mark after each aligned word, found in the transcript's punctuation."""
    found = list(_WORD.finditer(transcript.lower().replace("’", "'")))
    gaps = [
        strongest_mark(transcript[a.end() : b.start()]) for a, b in itertools.pairwise(found)
    ] + ([strongest_mark(transcript[found[-1].end() :])] if found else [])
    marks = [" "] * len(words)
    matcher = SequenceMatcher(
        None, [w.strip("'") for w in words], [m.group() for m in found], False
    )
    for _, first, end, text_first, text_end in matcher.get_opcodes():
        same_count = end - first == text_end - text_first
        for i in range(first, end):
            if same_count:
                marks[i] = gaps[text_first + i - first]
            elif i == end - 1 and text_end:
                marks[i] = gaps[text_end - 1]
    if words and marks[-1] == " ":
        marks[-1] = "."
    return marks


def read_alignments(path: Path) -> Iterator[Alignment]:
    """Alignments of a corpus: a TSV (plain or .xz, see the data README) or a folder of TextGrids.

    Raises:
        DataError: nothing there, or a line or file that is not an alignment.
    """
    if path.is_dir():
        grids = sorted(path.rglob("*.TextGrid"))
        if not grids:
            raise DataError(f"{path}: no *.TextGrid inside; expected MFA output or a TSV file")
        yield from (read_textgrid(grid) for grid in grids)
    elif path.is_file():
        yield from _read_tsv(path)
    else:
        raise DataError(f"{path}: no such file or directory; expected alignments")


def _read_tsv(path: Path) -> Iterator[Alignment]:
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            header = _line(lines, path, 1).rstrip("\n").split("\t")
            if header != TSV_COLUMNS:
                found = str(header)[:200]
                raise DataError(f"{path}: header is {found}; expected {', '.join(TSV_COLUMNS)}")
            for number in itertools.count(2):
                if not (line := _line(lines, path, number)):
                    return
                yield _parse_row(line.rstrip("\n").split("\t"), f"{path}:{number}")
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read ({error}); copy the file again") from error
    except MemoryError as error:  # the header of an .xz may ask for a dictionary of 4 GiB
        message = f"{path}: needs more memory than there is; compress it again with xz -6"
        raise DataError(message) from error


def _line(lines: TextIO, path: Path, number: int) -> str:
    """The next line; a few kB of .xz can hold one without an end."""
    line = lines.readline(MAX_LINE)
    if len(line) == MAX_LINE:
        raise DataError(f"{path}:{number}: more than {MAX_LINE} characters; expected one clip")
    return line


def _parse_row(fields: list[str], where: str) -> Alignment:
    try:
        clip, phonemes, durations, words = fields
        aligned = Alignment(
            clip,
            tuple(phonemes.split()),
            tuple(float(ms) / 1000 for ms in durations.split()),
            tuple(_parse_word(word) for word in words.split()),
        )
    except ValueError as error:
        raise DataError(f"{where}: not an alignment ({error}); expected four columns") from error
    if len(aligned.phonemes) != len(aligned.durations_s):
        raise DataError(
            f"{where}: {len(aligned.phonemes)} phonemes but {len(aligned.durations_s)} durations"
        )
    return aligned


def _parse_word(text: str) -> AlignedWord:
    word, span = text.rsplit(":", 1)
    first, end = span.split("-")
    return AlignedWord(word, int(first), int(end))


def read_textgrid(path: Path) -> Alignment:
    """One MFA TextGrid (long format, tiers `words` and `phones`).

    Raises:
        DataError: unreadable, or a tier is missing.
    """
    with reading(path, "a TextGrid"):
        text = path.read_text(encoding="utf-8")
    try:
        tiers = {
            name: [(float(a), float(b), label) for a, b, label in _INTERVAL.findall(body)]
            for name, body in _TIER.findall(text)
        }
    except ValueError as error:  # "1.2.3"
        raise DataError(f"{path}: a time is no number ({error}); align the clip again") from error
    if not tiers.get("phones") or not tiers.get("words"):
        raise DataError(
            f"{path}: tiers are {sorted(tiers)}; expected words and phones, as MFA writes"
        )
    phones = tiers["phones"]
    words = []
    for start, end, label in tiers["words"]:
        inside = [
            i for i, (a, b, _) in enumerate(phones) if start - 1e-4 <= (a + b) / 2 <= end + 1e-4
        ]
        if label not in _SILENCES and inside:
            words.append(AlignedWord(label, inside[0], inside[-1] + 1))
    return Alignment(
        path.stem,
        tuple(label if label not in _SILENCES else "sil" for _, _, label in phones),
        tuple(b - a for a, b, _ in phones),
        tuple(words),
    )
