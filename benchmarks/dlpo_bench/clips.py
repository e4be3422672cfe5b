"""The test sentences: clip names, texts and recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.data.decoding import decoded
from dlpo.data.ljspeech import read_transcripts
from dlpo.errors import DataError, InputError, needs, reading
from dlpo.judges.word_errors import words_of

Waveform = NDArray[np.float32]

SAMPLE_RATE = 22_050  # Hz, of every system under test
TEST_SPLIT = tuple(f"LJ002-{number:04d}" for number in range(161, 181))
VALIDATION_SPLIT = tuple(f"LJ002-{number:04d}" for number in range(181, 201))
SPLITS = {"test": TEST_SPLIT, "validation": VALIDATION_SPLIT}
SUFFIXES = (".wav", ".flac")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # of clips and kinds: also of files


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence that every system speaks."""

    clip_id: str
    """LJSpeech's clip name."""
    text: str
    """The text as spoken (third column of metadata.csv)."""
    recording: Path | None
    """The original recording, if it is on this machine."""
    words: str | None = None
    """What a recognizer should hear, where the text doesn't spell it out ("23", "Mr.")."""
    kind: str | None = None
    """What it is, such as a yes/no question ("yn"); figures are given for each kind."""

    @property
    def spoken(self) -> str:
        """The words of the sentence, as spoken."""
        return self.text if self.words is None else self.words


def load_clips(corpus: Path, clip_ids: Iterable[str] = TEST_SPLIT) -> list[Clip]:
    """The named clips of a corpus in LJSpeech's layout, in the given order.

    Raises:
        DataError: there is no metadata.csv, or it lacks one of the clips.
    """
    metadata = corpus / "metadata.csv"
    texts, clips = read_transcripts(metadata), []
    for clip_id in clip_ids:
        if clip_id not in texts:
            raise DataError(f"{metadata} has no clip {clip_id!r}; expected names like LJ002-0161")
        clips.append(Clip(clip_id, texts[clip_id], find_audio(corpus / "wavs", clip_id)))
    return clips


def clips_of_texts(path: Path) -> list[Clip]:
    """The lines of a text file, one sentence each, without recordings; blank lines are skipped.

    Clips are named by line number: `line-0001`. Or each line is `name<tab>kind<tab>text`, with
    kinds such as yn, wh, st and dq (`endings.KINDS`). A recognizer is expected to hear the text as
    the front end reads it, with numbers and abbreviations in words.

    Raises:
        DataError: unreadable, no sentences, a line that can't be spoken or has no words, or lines
            with and without a kind, two of one name.
        MissingExtraError: see `TextFrontEnd`.
    """
    from dlpo.text import TextFrontEnd

    with reading(path, "text in UTF-8"):
        lines = path.read_text("utf-8").splitlines()
    split = [line.strip().split("\t") for line in lines]
    rows = [(number, row) for number, row in enumerate(split, 1) if any(row)]
    if not rows:
        raise DataError(f"{path} has no sentences; expected one a line")
    with_kinds, front_end = len(rows[0][1]) > 1, TextFrontEnd()
    clips: dict[str, Clip] = {}
    for number, row in rows:
        at = f"{path}, line {number}"
        clip_id, kind, text = _named(row, with_kinds, f"line-{number:04d}", at)
        if clip_id in clips:
            raise DataError(f"{at}: a line before is named {clip_id!r}, too; expected another name")
        try:
            sentences = front_end.process(text).sentences
        except InputError as error:
            raise DataError(f"{at}: {error}") from error
        words = " ".join(sentence.normalized for sentence in sentences)
        if not words_of(words):
            raise DataError(f"{at}: {text!r} has no words; expected a sentence")
        clips[clip_id] = Clip(clip_id, text, None, words, kind)
    return list(clips.values())


def _named(row: list[str], with_kinds: bool, usual: str, at: str) -> tuple[str, str | None, str]:
    """Name, kind and text of a line, which has either all three or a text alone."""
    if not with_kinds and len(row) == 1:
        return usual, None, row[0]
    if not with_kinds or len(row) != 3:
        raise DataError(
            f"{at}: {len(row)} fields between tabs; expected"
            f" {'name, kind and text' if with_kinds else 'a text alone'}, as in the first line"
        )
    clip_id, kind, text = row
    if not (NAME.fullmatch(clip_id) and NAME.fullmatch(kind)):
        raise DataError(f"{at}: name {clip_id!r}, kind {kind!r}; expected letters, digits, - and _")
    return clip_id, kind, text


def find_audio(directory: Path, clip_id: str) -> Path | None:
    """The wav or flac of a clip, or None if neither exists."""
    paths = (directory / f"{clip_id}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_audio(path: Path) -> Waveform:
    """Read a mono file as (T,) float32 at 22,050 Hz, resampled if needed.

    Raises:
        DataError: unreadable, or not mono.
        MissingExtraError: soundfile or soxr is not installed.
    """
    try:
        samples, rate = decoded(path)
    except DataError as error:
        raise DataError(f"{path}: can't be read ({error}); expected wav or flac") from error
    if samples.shape[1] != 1:
        raise DataError(f"{path}: {samples.shape[1]} channels; expected mono")
    return at_rate(samples[:, 0], rate)


def at_rate(waveform: Waveform, rate_hz: int) -> Waveform:
    """(T,) at some rate -> (T',) float32 at 22,050 Hz.

    Raises:
        MissingExtraError: soxr is not installed.
    """
    if rate_hz != SAMPLE_RATE:
        with needs("bench"):
            import soxr
        waveform = soxr.resample(waveform, rate_hz, SAMPLE_RATE)
    return np.asarray(waveform, np.float32)
