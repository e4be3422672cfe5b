"""What `speak` returns: the audio of a text, and all that is known about it."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dlpo.audio import Waveform
from dlpo.text.common.warnings import brief, passages_between
from dlpo_serving.alignment import TimedWords
from dlpo_serving.captions import Captioner, caption_format
from dlpo_serving.encodings.sound_file import SoundFile, check_sound_file
from dlpo_serving.speech import Speech, SpokenPiece
from dlpo_serving.synthesis.timing import WordTiming

_BARS = 240  # of the picture of the waveform
_SEEK = "this.closest('div').querySelector('audio').currentTime="


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """When a word is spoken, and where it is in the text."""

    word: str
    """as spoken, in lower case: "45" is two, "forty" and "five\""""
    start_s: float
    end_s: float
    text_start: int
    """place of its first character in the text; those of one number share theirs"""
    text_end: int
    """place after its last character"""


def in_seconds(timings: Iterable[WordTiming], rate_hz: int) -> tuple[SpokenWord, ...]:
    """Words whose times are in samples."""
    return tuple(
        SpokenWord(w.word, w.start / rate_hz, w.stop / rate_hz, w.text_start, w.text_end)
        for w in timings
    )


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A sentence as it is spoken."""

    text: str
    """numbers, dates and abbreviations in words"""
    words: tuple[SpokenWord, ...]

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        return self.words[-1].end_s


@dataclass(slots=True)
class Account:
    """Collects a speech, piece by piece."""

    speech: Speech
    samples: list[Waveform] = field(default_factory=list)
    words: list[tuple[WordTiming, int]] = field(default_factory=list)
    """each with the index of its sentence"""

    def add(self, piece: SpokenPiece) -> None:
        self.samples.append(piece.samples)
        self.words += [(word, piece.sentence) for word in piece.words]

    def whole(self) -> SpokenText:
        """All of it, once the last piece has been added."""
        speech = self.speech
        warnings = tuple(dict.fromkeys(speech.warnings))
        samples, timings = np.concatenate(self.samples), tuple(word for word, _ in self.words)
        found = "".join(speech.text), samples, speech.rate_hz, warnings, timings
        words = in_seconds(timings, speech.rate_hz)
        by_sentence: dict[int, list[SpokenWord]] = {}
        for word, (_, sentence) in zip(words, self.words, strict=True):
            by_sentence.setdefault(sentence, []).append(word)
        sentences = (
            SpokenSentence(text, tuple(by_sentence[at]))
            for at, text in enumerate(speech.sentences)
            if at in by_sentence
        )
        return SpokenText(*found, tuple(sentences), speech.about)


@dataclass(frozen=True, eq=False)
class SpokenText:
    """A text that has been spoken; Jupyter shows it with a player."""

    text: str
    samples: Waveform = field(repr=False)
    """(T,) float32 in [-1, 1]"""
    sample_rate: int
    warnings: tuple[str, ...]
    """about the text"""
    timings: tuple[WordTiming, ...] = field(repr=False)
    """of `words`, in samples"""
    sentences: tuple[SpokenSentence, ...] = field(repr=False)
    about: str = field(repr=False)
    """what a file's metadata say of its origin"""

    @property
    def duration_s(self) -> float:
        """Length of the audio, in seconds."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def words(self) -> tuple[SpokenWord, ...]:
        """Every word, in order."""
        return in_seconds(self.timings, self.sample_rate)

    @cached_property
    def not_spoken(self) -> tuple[str, ...]:
        """The passages of the text that a reader would miss, such as letters of other scripts."""
        places = [(word.text_start, word.text_end) for word in self.words]
        return tuple(filter(None, map(brief, passages_between(self.text, places))))

    def captions(self, format: str = "srt") -> str:
        """Captions of the text as it is written, as SubRip, WebVTT or JSON.

        Args:
            format: srt, vtt or json.

        Raises:
            InputError: it is another one.
        """
        captioner = Captioner(caption_format(format), self.sample_rate)
        words, end = TimedWords(self.text), len(self.samples)
        shown = captioner.add([*words.spoken(self.timings, end), *words.rest(end)])
        return shown + captioner.end(end)

    def save(self, out: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """Write the audio to a path, or to a file that is open for writing bytes.

        Args:
            format: wav, flac, ogg, opus, mp3 or aac; None: as the path ends.

        Raises:
            InputError: there is no such format, or the file can't be written.
            MissingExtraError: the format's package is not installed.
        """
        path = as_out(out)
        check_sound_file(path, format=format)
        with SoundFile(path, self.sample_rate, about=self.about, format=format) as file:
            file.write(self.samples)

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        self.save(file, "wav")
        source = f"data:audio/wav;base64,{b64encode(file.getvalue()).decode()}"
        return (
            f'<div style="max-width:60em"><audio controls src="{source}"></audio>'
            f"{self._waveform()}<p>{self._words()}</p></div>"
        )

    def _waveform(self) -> str:
        """A picture of the loudness over time."""
        peaks = [float(abs(part).max(initial=0)) for part in np.array_split(self.samples, _BARS)]
        lines = "".join(f"M{x} {20 - 20 * y:.1f}V{20 + 20 * y:.1f}" for x, y in enumerate(peaks))
        size = f'viewBox="0 0 {_BARS} 40" width="100%" height="60" preserveAspectRatio="none"'
        return f'<svg {size}><path d="{lines}" stroke="currentColor"/></svg>'

    def _words(self) -> str:
        """The text; a click on a word plays it, what is not spoken is struck out."""
        shown, end = "", 0
        for word in self.words:
            if word.text_end <= end:
                continue  # a further word of the same number
            shown += self._between(end, word.text_start)
            hint = f'title="{word.word}, {word.start_s:.2f} s" style="cursor:pointer"'
            written = escape(self.text[word.text_start : word.text_end])
            shown += f'<span onclick="{_SEEK}{word.start_s:.3f}" {hint}>{written}</span>'
            end = word.text_end
        return shown + self._between(end, len(self.text))

    def _between(self, start: int, stop: int) -> str:
        passage = self.text[start:stop]
        return (
            f"<s>{escape(passage)}</s>"
            if any(map(brief, passages_between(passage, ())))
            else escape(passage)
        )


def as_out(out: str | os.PathLike[str] | BinaryIO) -> Path | BinaryIO:
    """A path, or the open file as it is."""
    return Path(out) if isinstance(out, str | os.PathLike) else out
