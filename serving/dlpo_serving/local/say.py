"""`dlpo say`: speaks a text into a file, standard output or the speaker, as audio is made."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from dlpo.audio import Waveform
from dlpo.errors import EngineError, InputError
from dlpo.mark import PUBLIC, NoiseMark
from dlpo.operating_system import is_quiet
from dlpo.text.common.feed import ends_at
from dlpo.text.languages import LANGUAGES, open_language
from dlpo_serving.alignment import TimedWords
from dlpo_serving.captions import Captioner, format_named
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.encodings.provenance import provenance
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.local.player import Loudspeaker
from dlpo_serving.local.sound_file import SoundFile, as_input_error, check_writable, encoding_of
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.voices import open_voice

if TYPE_CHECKING:
    from dlpo.v1.speech_pb2 import Flush
    from dlpo_serving.client import ReplyFormat, SpeechClient, SpeechStream
    from dlpo_serving.client.connection import Connection
    from dlpo_serving.client.messages import Piece

ANY_RATE_HZ = 22_050  # sample rate for checking an encoding before the voice is loaded
Progress = Callable[[float, float], None]
"""Called with the seconds of audio so far and the share of the text spoken, 0 if unknown."""
_Piece = tuple[Waveform, float]
CALL_CHARACTERS = 2_000  # per call, roughly; servers accept 10,000 unless configured otherwise
_PIECE_CHARACTERS = 500
QUIET_S = 0.1  # pause in input after a complete line: its writer is waiting to hear it
_MOST = 1 << 16  # bytes of one piece


@dataclass(frozen=True, slots=True)
class InProcess:
    """Synthesis in this process; see `open_engine`."""

    engine: EngineName = "cpu"
    precision: EnginePrecision | None = None
    captions: Path | None = None
    """file to write them to: .srt, .vtt or .json"""
    mark: NoiseMark | None = PUBLIC
    """that the speech has; None: no mark, for research"""


@dataclass(frozen=True, slots=True)
class SayResult:
    """What was spoken, and how fast."""

    audio_s: float
    """length of the audio"""
    first_audio_s: float
    """seconds until the first audio, excluding the loading of the voice"""
    wall_s: float
    """seconds spent waiting for audio, excluding the loading of the voice"""
    played: str = ""
    """what played it, or why nothing did and which file has it"""
    warnings: tuple[str, ...] = ()
    """about the text, see `ProcessedText`"""

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work per second of audio."""
        return self.wall_s / self.audio_s if self.audio_s else inf

    def __str__(self) -> str:
        return (
            f"{self.audio_s:.2f} s of speech in {self.wall_s:.2f} s, {pace(self.rtf)};"
            f" first audio after {1000 * self.first_audio_s:.0f} ms"
            f"{self.played and '; '}{self.played}"
        )


def pace(rtf: float) -> str:
    """A real-time factor as people say it: "26 times faster than real time"."""
    if not 0 < rtf < inf:
        return "no audio"
    way, times = ("faster", 1 / rtf) if rtf <= 1 else ("slower", rtf)
    digits = 0 if times >= 9.5 else 1
    return f"{times:.{digits}f} times {way} than real time"


def say(
    request: SpeechRequest,
    pieces: Iterable[Piece] | None = None,
    *,
    voice: str | None = None,
    out: Path | None = None,
    play: Path | None = None,
    sample_rate_hz: int | None = None,
    where: Connection | InProcess = InProcess(),
    progress: Progress | None = None,
) -> SayResult:
    """Speak a text, here or on a server.

    Args:
        request: the text, and how to speak it.
        pieces: of more text, which a server speaks as they arrive.
        voice: name or path of a bundle; on a server, the name of one of its voices. None means
            the one that speaks its language, the default if that does.
        out: file to write, in the encoding of its extension; "-" is standard output, as WAV.
        play: play it on this machine; the folder of the file that is written without `out` if no
            player works.
        sample_rate_hz: of `out`; None means that of `usual_format`.
        where: what synthesizes: a server, or this process with an engine.
        progress: called after each piece of audio.

    Raises:
        InputError: a value is invalid, there is no such voice, or `out` can't be written. Whatever
            can be checked before the voice is loaded is checked first.
        BundleError, EngineError: the voice or the server failed; or no player worked and `out` is
            given. Without `out`, a file is written instead.
        MissingExtraError: the packages of the engine or of the encoding are not installed.
    """
    if out is not None:
        encoding_of(out)
        check_writable(out)
        SoundFile(out, ANY_RATE_HZ, sample_rate_hz)
    if isinstance(where, InProcess) and where.captions:
        format_named(where.captions)
        check_writable(where.captions)
    if not isinstance(where, InProcess):
        source = _there(request, pieces, voice or "", where)
    elif pieces is None:
        source = _here(request, voice, where)
    else:
        raise InputError("only a server can speak text in pieces; name one, or join the pieces")

    speaker = None
    with ExitStack() as stack:
        spoken = stack.enter_context(source)
        sinks: list[SoundFile | Loudspeaker] = []
        if out is not None:
            file = SoundFile(out, spoken.rate_hz, sample_rate_hz, spoken.about)
            sinks.append(stack.enter_context(file))
        if play is not None:
            place = play if out is None else None
            speaker = Loudspeaker(spoken.rate_hz, or_in=place, about=spoken.about)
            sinks.append(stack.enter_context(speaker))
        for samples, share in spoken:
            for sink in sinks:
                sink.write(samples)
            if progress:
                progress(spoken.audio_s, share)
    if speaker and not speaker.sounds:
        raise EngineError(f"{speaker.summary}; {out} is complete")
    return spoken.figures(speaker.summary if speaker else "")


class _Source:
    """Samples as they are made, and how long that took."""

    def __init__(
        self,
        chunks: Iterator[_Piece],
        rate_hz: int,
        start: float,
        warnings: Sequence[str],
        about: str,
    ) -> None:
        """`warnings` about the text are complete after the last chunk."""
        self.rate_hz = rate_hz
        self.about = about
        self._warnings = warnings
        self._chunks = chunks
        self._samples = 0
        self._waited_s = time.perf_counter() - start
        self._first_s = 0.0

    def __iter__(self) -> Iterator[_Piece]:
        while True:
            start = time.perf_counter()  # the sinks' own time is not counted
            piece = next(self._chunks, None)
            self._waited_s += time.perf_counter() - start
            if piece is None:
                return
            self._first_s = self._first_s or self._waited_s
            self._samples += len(piece[0])
            yield piece

    @property
    def audio_s(self) -> float:
        return self._samples / self.rate_hz

    def figures(self, played: str) -> SayResult:
        warnings = tuple(dict.fromkeys(self._warnings))
        return SayResult(self.audio_s, self._first_s, self._waited_s, played, warnings)


@contextmanager
def _here(request: SpeechRequest, voice: str | None, where: InProcess) -> Iterator[_Source]:
    synthesizer = open_voice(voice, where.engine, where.precision, request, mark=where.mark)
    start = time.perf_counter()
    prepared = synthesizer.read(request)
    rate_hz = synthesizer.manifest.sample_rate_hz
    ends = list(accumulate(len(sentence.normalized) for sentence in prepared.sentences))
    chunks = synthesizer.stream(prepared)
    if where.captions:
        chunks = _captioned(chunks, request.text, rate_hz, where.captions)
    pieces = ((one.samples, ends[one.sentence] / ends[-1]) for one in chunks)
    about = provenance(synthesizer.manifest.voice, synthesizer.mark_of(prepared.steps))
    yield _Source(pieces, rate_hz, start, prepared.warnings, about)


def _captioned(
    chunks: Iterable[AudioChunk], text: str, rate_hz: int, path: Path
) -> Iterator[AudioChunk]:
    """The same chunks; at their end, the captions of the text are in the file."""
    words, captioner = TimedWords(text), Captioner(format_named(path), rate_hz)
    written, samples = "", 0
    for chunk in chunks:
        samples = chunk.sample_offset + len(chunk.samples)
        written += captioner.add(words.spoken(chunk.words, samples))
        yield chunk
    written += captioner.add(words.rest(samples)) + captioner.end(samples)
    with as_input_error(path):
        path.write_text(written, encoding="utf-8")


@contextmanager
def _there(
    request: SpeechRequest, pieces: Iterable[Piece] | None, voice: str, server: Connection
) -> Iterator[_Source]:
    from dlpo_serving.client import ReplyFormat, SpeechClient

    reply = ReplyFormat(Encoding.PCM_S16, times="none")
    start = time.perf_counter()
    with SpeechClient(server.address, tls=server.tls, token=server.token) as client:
        streams = calls_of(client, request, pieces, voice, reply)
        first = next(streams)
        with first[0]:  # ended even if its audio is never read
            warnings: list[str] = []
            with closing(_samples(chain([first], streams), warnings)) as chunks:
                about = provenance(first[0].info.voice, "as the server does")
                rate_hz = first[0].info.format.sample_rate_hz
                yield _Source(chunks, rate_hz, start, warnings, about)


def calls_of(
    client: SpeechClient,
    request: SpeechRequest,
    pieces: Iterable[Piece] | None,
    voice: str,
    reply: ReplyFormat,
) -> Iterator[tuple[SpeechStream, float]]:
    """The calls that speak a text of any length, and the share of it spoken after each.

    Args:
        pieces: of the text, in place of the request's; the shares are 0.
    """
    if pieces is not None:
        for call in _calls(pieces):
            yield client.stream_pieces(call, request, voice, reply), 0.0
        return
    parts = [request.text] if request.ssml else list(split(request.text))
    ends = accumulate(map(len, parts))
    for part, end in zip(parts, ends, strict=True):
        stream = client.stream(replace(request, text=part), voice, reply)
        yield stream, end / max(len(request.text), 1)


def _samples(
    streams: Iterable[tuple[SpeechStream, float]], warnings: list[str]
) -> Generator[_Piece]:
    for stream, share in streams:
        with stream:
            yield from ((chunk.samples, share) for chunk in stream)
            warnings += stream.info.warnings
            warnings += stream.totals.warnings if stream.totals else ()


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


def _calls(pieces: Iterable[Piece]) -> Iterator[Iterator[Piece]]:
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


def typed_pieces(descriptor: int) -> Iterator[str | Flush]:
    """Text from a file descriptor as it arrives; a pause after a complete line yields a `Flush`.

    Args:
        descriptor: of a terminal or a pipe, in UTF-8.

    Raises:
        InputError: the bytes are not UTF-8.
    """
    from dlpo.v1.speech_pb2 import Flush

    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line_ended = False
    while True:
        if line_ended and is_quiet(descriptor, QUIET_S):
            yield Flush()
        data = os.read(descriptor, _MOST)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            message = f"standard input is not UTF-8 ({error.reason}); convert it"
            raise InputError(message) from error
        if text:
            yield text
        if not data:
            return
        line_ended = text.endswith("\n")
