"""`dlpo say`: text to a sound file, to standard output or to the speaker, while it is made."""

from __future__ import annotations

import codecs
import os
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo.v1.speech_pb2 import Flush
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.local.player import (
    PlayerPlayback,
    SoundFile,
    check_writable,
    encoding_of,
    find_player,
)
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE, open_voice

if TYPE_CHECKING:
    from dlpo_serving.client import Tls
    from dlpo_serving.client.messages import Piece


@dataclass(frozen=True, slots=True)
class SayResult:
    """What was said."""

    audio_s: float
    """length of the audio"""
    first_audio_s: float
    """time from the begin to the first sound, without loading the voice"""
    wall_s: float
    """time that was spent waiting for audio, without loading the voice"""

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work for a second of audio."""
        return self.wall_s / self.audio_s if self.audio_s else inf

    def __str__(self) -> str:
        return (
            f"{self.audio_s:.2f} s of speech in {self.wall_s:.2f} s: RTF {self.rtf:.3f},"
            f" first sound after {1000 * self.first_audio_s:.0f} ms"
        )


@dataclass(frozen=True, slots=True)
class RemoteVoice:
    """A server that is to speak."""

    address: str
    """host:port"""
    tls: Tls | None = None
    """encryption; None speaks in plaintext"""
    token: str | None = None
    """bearer token, where the server wants one"""


def say(
    text: str | Iterable[Piece],
    *,
    voice: str | None = None,
    out: Path | None = None,
    play: bool = False,
    speed: float = 1.0,
    pitch_semitones: float = 0.0,
    volume_db: float = 0.0,
    seed: int = 0,
    steps: int | None = None,
    dictionary: Mapping[str, str] | None = None,
    ssml: bool = False,
    sample_rate_hz: int | None = None,
    server: RemoteVoice | None = None,
    engine: EngineName = "cpu",
    precision: EnginePrecision | None = None,
) -> SayResult:
    """Speak a text, here or on a server.

    Args:
        text: all of it; with `server`, also pieces that are spoken as they come.
        speed, pitch_semitones, volume_db, seed, steps, dictionary, ssml: see `SpeechRequest`.
        voice: name or path of a bundle; with `server`, the name of one of its voices. None is
            `DEFAULT_VOICE`, or the server's own default.
        out: file to write, in the encoding of its ending; "-" is standard output, as WAV.
        play: play it on this machine.
        sample_rate_hz: of `out`; None is the voice's own, or the next that the encoding has.
        server: None makes the audio in this process.
        engine, precision: of this process, see `open_engine`; a server has its own.

    Raises:
        InputError: a value is wrong, there is no such voice, `out` can't be written, or no player
            is installed. The last two are found before any work is done.
        BundleError, EngineError: the voice, the server or the player failed.
        MissingExtraError: the packages of the engine or of the encoding are not installed.
    """
    if server is not None and (engine != "cpu" or precision is not None):
        raise InputError(
            f"engine is {engine} and precision {precision}, but {server.address} was started with"
            " its own; leave both out"
        )
    if out is not None:
        encoding_of(out)
        check_writable(out)
    player = find_player() if play else None
    whole, pieces = (text, None) if isinstance(text, str) else ("", text)
    request = SpeechRequest(
        whole, speed, pitch_semitones, seed, steps, dictionary or {}, ssml, volume_db
    )
    if server is not None:
        source = _there(request, pieces, voice or "", server)
    elif pieces is None:
        source = _here(request, voice or DEFAULT_VOICE, engine, precision)
    else:
        raise InputError("text in pieces is spoken by a server only; name one, or join them")

    with ExitStack() as stack:
        spoken = stack.enter_context(source)
        sinks: list[SoundFile | PlayerPlayback] = []
        if out is not None:
            sinks.append(stack.enter_context(SoundFile(out, spoken.rate_hz, sample_rate_hz)))
        if player:
            sinks.append(stack.enter_context(PlayerPlayback(player, spoken.rate_hz)))
        for samples in spoken:
            for sink in sinks:
                sink.write(samples)
    return spoken.figures()


class _Source:
    """Samples as they are made, and how long that took."""

    def __init__(self, chunks: Iterator[Waveform], rate_hz: int, start: float) -> None:
        self.rate_hz = rate_hz
        self._chunks = chunks
        self._samples = 0
        self._waited_s = time.perf_counter() - start
        self._first_s = 0.0

    def __iter__(self) -> Iterator[Waveform]:
        while True:
            start = time.perf_counter()  # what the sinks take is not counted
            samples = next(self._chunks, None)
            self._waited_s += time.perf_counter() - start
            if samples is None:
                return
            self._first_s = self._first_s or self._waited_s
            self._samples += len(samples)
            yield samples

    def figures(self) -> SayResult:
        return SayResult(self._samples / self.rate_hz, self._first_s, self._waited_s)


@contextmanager
def _here(
    request: SpeechRequest, voice: str, engine: EngineName, precision: EnginePrecision | None
) -> Iterator[_Source]:
    synthesizer = open_voice(voice, engine, precision)
    start = time.perf_counter()
    chunks = synthesizer.stream(synthesizer.read(request))
    samples = (chunk.samples for chunk in chunks)
    yield _Source(samples, synthesizer.manifest.sample_rate_hz, start)


@contextmanager
def _there(
    request: SpeechRequest, pieces: Iterable[Piece] | None, voice: str, server: RemoteVoice
) -> Iterator[_Source]:
    from dlpo_serving.client import ReplyFormat, SpeechClient

    reply = ReplyFormat(Encoding.PCM_S16, times="none")
    start = time.perf_counter()
    with SpeechClient(server.address, tls=server.tls, token=server.token) as client:
        if pieces is None:
            stream = client.stream(request, voice, reply)
        else:
            stream = client.stream_pieces(pieces, request, voice, reply)
        with stream:
            samples = (chunk.samples for chunk in stream)
            yield _Source(samples, stream.info.format.sample_rate_hz, start)


QUIET_S = 0.1  # after a whole line, nothing for so long: its writer waits to hear it
_MOST = 1 << 16  # bytes of one piece


def typed_pieces(descriptor: int, quiet_s: float = QUIET_S) -> Iterator[str | Flush]:
    """What comes from a file descriptor, as it comes; a line that is followed by nothing is spoken.

    Args:
        descriptor: of a terminal or a pipe, in UTF-8.
        quiet_s: seconds of silence of the writer after which a line counts as ended.

    Raises:
        InputError: the bytes are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line_ended = False
    while True:
        if line_ended and not select.select([descriptor], [], [], quiet_s)[0]:
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
