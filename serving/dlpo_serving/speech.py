"""The audio of a text while it is made: by a voice of this process, or by a server.

`Voice` and `Client` pass its samples on; `say` writes them to a file and plays them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from dlpo.audio import Waveform
from dlpo.text.common.feed import ends_at
from dlpo.text.languages import LANGUAGES, open_language
from dlpo_serving.encodings.provenance import provenance
from dlpo_serving.request import Encoding, SpeechRequest
from dlpo_serving.synthesis.timing import WordTiming

if TYPE_CHECKING:
    from dlpo_serving.client import SpeechClient, SpeechStream
    from dlpo_serving.client.messages import Piece
    from dlpo_serving.voices.synthesizer import Synthesizer

CALL_CHARACTERS = 2_000  # per call, roughly; servers accept 10,000 unless configured otherwise
_PIECE_CHARACTERS = 500


class SpokenPiece(NamedTuple):
    """The next of the audio."""

    samples: Waveform
    """(T,) float32 in [-1, 1]"""
    share: float
    """of the text spoken so far; 0 if unknown"""
    words: tuple[WordTiming, ...] = ()
    """that begin in it, by a voice of this process"""


class Speech:
    """A text that is being spoken: iterate over it once for its pieces, made on demand."""

    def __init__(
        self,
        rate_hz: int,
        pieces: Iterator[SpokenPiece],
        warnings: list[str],
        start: float,
        about: str = "",
    ) -> None:
        self.rate_hz = rate_hz
        self.pieces = pieces
        self.warnings = warnings
        """about the text; complete after the last piece, or at once if the text is known"""
        self.about = about
        """what a file's metadata say of its origin; see `provenance`"""
        self.audio_s = 0.0
        """seconds of audio made so far"""
        self.first_audio_s = 0.0
        """seconds from the `start` to the first audio"""
        self.waited_s = time.perf_counter() - start
        """seconds spent waiting for audio, and not for what is done with it"""

    def __iter__(self) -> Iterator[SpokenPiece]:
        while True:
            start = time.perf_counter()
            piece = next(self.pieces, None)
            self.waited_s += time.perf_counter() - start
            if piece is None:
                return
            self.first_audio_s = self.first_audio_s or self.waited_s
            self.audio_s += len(piece.samples) / self.rate_hz
            yield piece


def spoken_here(
    synthesizer: Synthesizer,
    request: SpeechRequest,
    pieces: Iterable[str] | None = None,
    looks_like: str | None = None,
) -> Speech:
    """A text, spoken in this process; see `Synthesizer` for errors.

    Args:
        pieces: of the text, in place of the request's.
        looks_like: see `VoiceChoice.of`.
    """
    start, warnings = time.perf_counter(), list[str]()
    steps = request.steps
    if pieces is not None:
        parts = synthesizer.stream_pieces(pieces, request, warnings)
        made = (SpokenPiece(chunk.samples, 0.0) for chunk in parts)
    else:
        prepared = synthesizer.read(request, looks_like)
        warnings += prepared.warnings
        steps = prepared.steps
        ends = [*accumulate(len(sentence.normalized) for sentence in prepared.sentences)]
        made = (
            SpokenPiece(chunk.samples, ends[chunk.sentence] / ends[-1], chunk.words)
            for chunk in synthesizer.stream(prepared)
        )
    about = provenance(synthesizer.manifest.voice, synthesizer.mark_of(steps))
    return Speech(synthesizer.manifest.sample_rate_hz, made, warnings, start, about)


@contextmanager
def spoken_there(
    client: SpeechClient,
    request: SpeechRequest,
    pieces: Iterable[Piece] | None,
    voice: str,
    encoding: Encoding,
) -> Iterator[Speech]:
    """A text of any length, spoken by a server in as many calls as that takes; see `spoken_here`.

    Raises CallError if a call fails, also while the speech is iterated over.
    """
    from dlpo_serving.client import ReplyFormat

    start, warnings = time.perf_counter(), list[str]()
    reply = ReplyFormat(encoding, times="none")

    def streams() -> Iterator[tuple[SpeechStream, float]]:
        """Each call, and the share of the text spoken after it."""
        if pieces is not None:
            for call in in_calls(pieces):
                yield client.stream_pieces(call, request, voice, reply), 0.0
            return
        parts = [request.text] if request.ssml else list(split(request.text))
        for part, end in zip(parts, accumulate(map(len, parts)), strict=True):
            stream = client.stream(replace(request, text=part), voice, reply)
            yield stream, end / max(len(request.text), 1)

    def received() -> Generator[SpokenPiece]:
        for stream, share in chain([first], calls):
            with stream:
                yield from (SpokenPiece(chunk.samples, share) for chunk in stream)
                warnings.extend(stream.info.warnings)
                warnings.extend(stream.totals.warnings if stream.totals else ())

    calls = streams()
    first = next(calls)
    with first[0], closing(received()) as made:  # ended even if its audio is never read
        about = provenance(first[0].info.voice, "as the server does")
        yield Speech(first[0].info.format.sample_rate_hz, made, warnings, start, about)


def split(text: str, most: int = CALL_CHARACTERS) -> Iterator[str]:
    """Parts of a text, of at most `most` characters each, that end with sentences if possible."""
    if len(text) <= most:
        yield text
        return
    language = open_language(LANGUAGES[0])
    while len(text) > most:
        blanks = [place for place in range(most // 4, most - 1) if text[place].isspace()]
        ends = (
            place
            for place in reversed(blanks)
            if ends_at(text, place, language, clauses=False, cases=(True, True), final=False)
        )
        end = next(ends, blanks[-1] if blanks else most - 1) + 1
        yield text[:end]
        text = text[end:].lstrip()
    yield text


def in_calls(pieces: Iterable[Piece]) -> Iterator[Iterator[Piece]]:
    """The pieces of each call, divided so that no call is too long for a server."""
    small = (
        part
        for piece in pieces
        for part in (split(piece, _PIECE_CHARACTERS) if isinstance(piece, str) else [piece])
    )

    def call(first: Piece | None) -> Iterator[Piece]:
        taken = 0
        for piece in chain([first] if first is not None else [], small):
            yield piece
            taken += len(piece) if isinstance(piece, str) else 0
            ended = isinstance(piece, str) and piece.rstrip().endswith((".", "!", "?", "\n"))
            if taken >= CALL_CHARACTERS and (ended or taken >= 3 * CALL_CHARACTERS):
                return

    yield call(None)
    for piece in small:
        if isinstance(piece, str) and piece.strip():
            yield call(piece)
