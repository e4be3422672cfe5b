"""The audio of a text while it is made: by a voice of this process, or by a server.

`Voice`, `Client` and `AsyncClient` pass its samples on; `say` writes them to a file and plays them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from dlpo.audio import Waveform
from dlpo.text.common.feed import ends_at
from dlpo.text.languages import LANGUAGES, open_language
from dlpo_serving.encodings.provenance import provenance
from dlpo_serving.request import Encoding, SpeechRequest, check_whole
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming

if TYPE_CHECKING:
    from dlpo_serving.client import AsyncSpeechClient, AsyncSpeechStream, SpeechClient
    from dlpo_serving.client.messages import Chunk, Piece
    from dlpo_serving.voices.synthesizer import Synthesizer

CALL_CHARACTERS = 2_000  # per call, roughly; servers accept 10,000 unless configured otherwise
_PIECE_CHARACTERS = 500


class SpokenPiece(NamedTuple):
    """The next of the audio."""

    samples: Waveform
    """(T,) float32 in [-1, 1]"""
    share: float = 0.0
    """of the text spoken so far; 0 if unknown"""
    words: tuple[WordTiming, ...] = ()
    """that begin in it, in samples of the whole audio"""
    sentence: int = 0
    """index of the sentence"""
    marks: tuple[MarkTiming, ...] = ()
    """SSML marks in it, in samples of the whole audio"""


class Speech:
    """A text that is being spoken: iterate over it once for its pieces, made on demand.

    One in this process is an iterator; one of a server an asynchronous one, until `spoken_there`
    makes it an ordinary one.
    """

    def __init__(
        self,
        rate_hz: int,
        pieces: Iterator[SpokenPiece] | AsyncIterator[SpokenPiece],
        warnings: list[str],
        sentences: list[str],
        text: list[str],
        start: float,
        about: str = "",
    ) -> None:
        self.rate_hz = rate_hz
        self.pieces = pieces
        self.warnings = warnings
        """about the text; complete after the last piece, or at once if the text is known"""
        self.sentences = sentences
        """as spoken: numbers, dates and abbreviations in words; complete when the warnings are"""
        self.text = text
        """pieces of it as they were read; with blanks for SSML's markup"""
        self.about = about
        """what a file's metadata say of its origin; see `provenance`"""
        self.audio_s = 0.0
        """seconds of audio made so far"""
        self.first_audio_s = 0.0
        """seconds from the `start` to the first audio"""
        self.waited_s = time.perf_counter() - start
        """seconds spent waiting for audio, and not for what is done with it"""

    def __iter__(self) -> Iterator[SpokenPiece]:
        assert isinstance(self.pieces, Iterator)  # see the class
        start = time.perf_counter()
        for piece in self.pieces:
            self._count(piece, start)
            yield piece
            start = time.perf_counter()
        self.waited_s += time.perf_counter() - start

    async def __aiter__(self) -> AsyncIterator[SpokenPiece]:
        assert isinstance(self.pieces, AsyncIterator)  # see the class
        start = time.perf_counter()
        async for piece in self.pieces:
            self._count(piece, start)
            yield piece
            start = time.perf_counter()

    def _count(self, piece: SpokenPiece, start: float) -> None:
        self.waited_s += time.perf_counter() - start
        self.first_audio_s = self.first_audio_s or self.waited_s
        self.audio_s += len(piece.samples) / self.rate_hz


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
    start = time.perf_counter()
    warnings: list[str] = []
    sentences: list[str] = []
    steps = request.steps
    text = [request.written]
    ends = [1]
    if pieces is not None:
        chunks = synthesizer.stream_pieces(_kept(pieces, text), request, warnings, sentences)
    else:
        prepared = synthesizer.read(request, looks_like)
        warnings += prepared.warnings
        sentences += [sentence.normalized for sentence in prepared.sentences]
        steps, ends = prepared.steps, [*accumulate(map(len, sentences))]
        chunks = synthesizer.stream(prepared)

    def made() -> Iterator[SpokenPiece]:
        for chunk in chunks:
            warnings.extend([chunk.warning] * bool(chunk.warning))
            share = 0.0 if pieces is not None else ends[chunk.sentence] / ends[-1]
            yield SpokenPiece(chunk.samples, share, chunk.words, chunk.sentence, chunk.marks)

    about = provenance(synthesizer.manifest.voice, synthesizer.mark_of(steps))
    rate_hz = synthesizer.manifest.sample_rate_hz
    return Speech(rate_hz, made(), warnings, sentences, text, start, about)


def _kept(pieces: Iterable[str], text: list[str]) -> Iterator[str]:
    """The pieces; `text` gets them as they are read."""
    for piece in pieces:
        text.append(piece)
        yield piece


@asynccontextmanager
async def spoken_by_server(
    client: AsyncSpeechClient,
    request: SpeechRequest,
    pieces: AsyncIterable[Piece] | None,
    voice: str,
    encoding: Encoding,
) -> AsyncIterator[Speech]:
    """A text of any length, spoken by a server in as many calls as that takes; see `spoken_here`.

    Raises CallError if a call fails, also while the speech is iterated over.
    """
    from dlpo_serving.client import ReplyFormat

    start = time.perf_counter()
    warnings: list[str] = []
    sentences: list[str] = []
    text = [request.written]
    reply = ReplyFormat(encoding)
    if pieces is not None:
        check_whole(request)
    whole = bool(request.ssml) or request.duration_s is not None

    async def streams() -> AsyncGenerator[tuple[AsyncSpeechStream, int, float]]:
        """Each call, where its text begins in the whole, and the share spoken after it."""
        if pieces is not None:
            async for call in in_calls(pieces, text):
                yield await client.stream_pieces(call, request, voice, reply), call.start, 0.0
            return
        parts = [(request.text, 0)] if whole else list(split(request.text))
        for part, begin in parts:
            stream = await client.stream(replace(request, text=part), voice, reply)
            yield stream, begin, (begin + len(part)) / max(len(request.text), 1)

    async def received() -> AsyncGenerator[SpokenPiece]:
        samples = 0
        stream, begin, share = first
        while True:
            spoken, known = samples, len(sentences)
            async with stream:
                async for chunk in stream:
                    piece = _placed(chunk, spoken, begin, known, share)
                    samples += len(piece.samples)
                    yield piece
                for told in (stream.info, stream.totals):
                    if told:
                        warnings.extend(told.warnings)
                        sentences.extend(told.processed_text.splitlines())
            following = await anext(calls, None)
            if following is None:
                return
            stream, begin, share = following

    async with aclosing(streams()) as calls:
        first = await anext(calls)
        async with first[0], aclosing(received()) as made:  # ended even if nobody reads its audio
            about = provenance(first[0].info.voice, "as the server does")
            rate_hz = first[0].info.format.sample_rate_hz
            yield Speech(rate_hz, made, warnings, sentences, text, start, about)


def _placed(chunk: Chunk, samples: int, begin: int, known: int, share: float) -> SpokenPiece:
    """A chunk of a call, in a whole that has so many samples, characters and sentences before."""
    words = tuple(
        WordTiming(
            word.word,
            word.start_sample + samples,
            word.end_sample + samples,
            word.text_start + begin,
            word.text_end + begin,
            (),
        )
        for word in chunk.message.words
    )
    marks = tuple(MarkTiming(mark.name, mark.sample + samples) for mark in chunk.message.marks)
    return SpokenPiece(chunk.samples, share, words, chunk.sentence + known, marks)


@contextmanager
def spoken_there(
    client: SpeechClient,
    request: SpeechRequest,
    pieces: Iterable[Piece] | None,
    voice: str,
    encoding: Encoding,
) -> Iterator[Speech]:
    """The same for a program without asyncio; `pieces` are read in another thread."""
    from dlpo_serving.client.sync import read_in_thread

    incoming = None if pieces is None else read_in_thread(pieces)
    opened = spoken_by_server(client.asynchronous, request, incoming, voice, encoding)
    speech = client.run(opened.__aenter__())
    try:
        assert isinstance(speech.pieces, AsyncIterator)
        speech.pieces = client.each(speech.pieces)
        yield speech
    finally:
        client.run(opened.__aexit__(None, None, None))


def split(text: str, most: int = CALL_CHARACTERS) -> Iterator[tuple[str, int]]:
    """Parts of a text, of at most `most` characters, that end with sentences if possible.

    Yields:
        A part, and the place of its first character.
    """
    begin = 0
    if len(text) > most:
        language = open_language(LANGUAGES[0])
    while len(text) > most:
        blanks = [place for place in range(most // 4, most - 1) if text[place].isspace()]
        ends = (
            place
            for place in reversed(blanks)
            if ends_at(text, place, language, clauses=False, cases=(True, True), final=False)
        )
        end = next(ends, blanks[-1] if blanks else most - 1) + 1
        yield text[:end], begin
        rest = text[end:].lstrip()
        begin, text = begin + len(text) - len(rest), rest
    yield text, begin


class PiecesOfCall:
    """The pieces of one call; iterate over them once."""

    def __init__(self, pieces: AsyncIterator[Piece], first: Piece | None, start: int) -> None:
        self.start = start
        """place of its first character in the whole text"""
        self.taken = 0
        """characters so far"""
        self._pieces = pieces
        self._first = first

    async def __aiter__(self) -> AsyncIterator[Piece]:
        piece = self._first if self._first is not None else await anext(self._pieces, None)
        while piece is not None:
            self.taken += len(piece) if isinstance(piece, str) else 0
            yield piece
            ended = isinstance(piece, str) and piece.rstrip().endswith((".", "!", "?", "\n"))
            if self.taken >= CALL_CHARACTERS and (ended or self.taken >= 3 * CALL_CHARACTERS):
                return
            piece = await anext(self._pieces, None)


async def in_calls(pieces: AsyncIterable[Piece], text: list[str]) -> AsyncIterator[PiecesOfCall]:
    """The pieces of each call, divided so that no call is too long; `text` gets what is read."""

    async def in_parts() -> AsyncIterator[Piece]:
        async for piece in pieces:
            if isinstance(piece, str):
                text.append(piece)
                for part in _cut(piece):
                    yield part
            else:
                yield piece

    small = in_parts()
    call = PiecesOfCall(small, None, 0)
    yield call
    start = call.taken
    async for piece in small:
        if isinstance(piece, str) and piece.strip():
            call = PiecesOfCall(small, piece, start)
            yield call
            start += call.taken
        elif isinstance(piece, str):
            start += len(piece)


def _cut(piece: str) -> Iterator[str]:
    """A piece in parts that a call may end after."""
    starts = [begin for _, begin in split(piece, _PIECE_CHARACTERS)]
    return (piece[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], None], strict=True))
