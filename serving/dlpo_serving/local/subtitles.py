"""Subtitles that are spoken, each in the time that it is shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from dlpo.errors import InputError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speech import Speech, SpokenPiece

_TIME = r"(?:(\d+):)?(\d\d):(\d\d)[,.](\d{3})"
_TIMES = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}(?:\s.*)?")
_STYLE = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")  # italics, colours and places on the screen
_SHORTEST_S = 0.1  # of a slot: what `duration_s` takes


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle."""

    text: str
    start_s: float
    end_s: float
    line: int
    """of its times in the file, from 1"""


def cues_of(text: str) -> list[Cue]:
    """The cues of a SubRip file, or of WebVTT's that have the same form.

    Raises:
        InputError: a cue has no times, ends before it begins, or begins before the one before; its
            line is named.
    """
    cues: list[Cue] = []
    lines = text.lstrip("\ufeff").splitlines()
    at = 0
    while at < len(lines):
        block = at
        while at < len(lines) and lines[at].strip():
            at += 1
        given, at = lines[block:at], at + 1
        if given and not (block == 0 and given[0].startswith("WEBVTT")):
            cues.append(_cue(given, block + 1, cues[-1].start_s if cues else 0.0))
    if not cues:
        raise InputError("the subtitles have no cue; expected blocks of a number, times and text")
    return cues


def _cue(given: Sequence[str], line: int, after_s: float) -> Cue:
    """The cue of the lines of a block, of which the first is number `line`."""
    skipped = int(len(given) > 1 and "-->" not in given[0])  # its number or name
    line += skipped
    if not (found := _TIMES.fullmatch(given[skipped])):
        expected = "expected times such as 00:01:02,345 --> 00:01:04,000"
        raise InputError(f"subtitles, line {line}: {given[skipped]!r:.60}; {expected}")
    numbers = [int(number or 0) for number in found.groups()]
    start_s, end_s = (_seconds(*numbers[of : of + 4]) for of in (0, 4))
    if end_s - start_s < _SHORTEST_S or start_s < after_s:
        what = "is shorter than 0.1 s" if start_s >= after_s else "begins before the last one"
        raise InputError(f"subtitles, line {line}: this cue {what}; correct its times")
    words = _STYLE.sub("", " ".join(map(str.strip, given[skipped + 1 :]))).strip()
    return Cue(words, start_s, end_s, line)


def _seconds(hours: int, minutes: int, seconds: int, ms: int) -> float:
    return 3600 * hours + 60 * minutes + seconds + ms / 1000


@contextmanager
def in_slots(
    cues: Sequence[Cue],
    request: SpeechRequest,
    speak: Callable[[SpeechRequest], AbstractContextManager[Speech]],
) -> Iterator[Speech]:
    """The cues as one speech, with silence where no subtitle is shown.

    A cue that is too long for its slot delays the next one, which has the rest of its own.

    Args:
        request: how to speak; its text and duration are those of each cue.
        speak: one text.

    Raises:
        InputError: no cue has words, or, also while iterating, one can't be spoken; its line is
            named.
    """
    start = time.perf_counter()
    spoken = [cue for cue in cues if any(map(str.isalnum, cue.text))]
    if not spoken:
        raise InputError("no subtitle has words to speak")
    silent = [cue for cue in cues if cue not in spoken]
    warnings = [f"line {cue.line}: nothing to speak in {cue.text!r:.60}" for cue in silent]
    sentences = list[str]()

    @contextmanager
    def fitted(cue: Cue, begin_s: float) -> Iterator[Speech]:
        left_s = max(cue.end_s - begin_s, _SHORTEST_S)
        try:
            with speak(replace(request, text=cue.text, duration_s=left_s)) as speech:
                yield speech
        except InputError as error:
            raise InputError(f"subtitles, line {cue.line}: {error}") from error
        warnings.extend(f"line {cue.line}: {one}" for one in speech.warnings)
        sentences.extend(speech.sentences)

    with ExitStack() as opened:
        first = opened.enter_context(fitted(spoken[0], spoken[0].start_s))
        rate_hz = first.rate_hz

        def made() -> Iterator[SpokenPiece]:
            samples = 0
            for done, cue in enumerate(spoken):
                share, begin = done / len(spoken), round(cue.start_s * rate_hz)
                if samples < begin:
                    yield SpokenPiece(np.zeros(begin - samples, np.float32), share)
                    samples = begin
                shift = samples.__add__
                with ExitStack() as stack:
                    speech = first
                    if done:
                        speech = stack.enter_context(fitted(cue, samples / rate_hz))
                    for piece in speech:
                        words = tuple(word.moved(shift) for word in piece.words)
                        samples += len(piece.samples)
                        yield SpokenPiece(piece.samples, share, words)
                if not done:
                    opened.close()

        yield Speech(rate_hz, made(), warnings, sentences, [], start, first.about)
