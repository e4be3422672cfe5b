"""Wyoming, Home Assistant's voice protocol: JSON events and 16-bit audio over TCP.

`synthesize` carries a whole text; `synthesize-start`, `-chunk` and `-stop` carry it in pieces. A
connection speaks one text after another; synthesis stops when its client disconnects.

Reference: https://github.com/OHF-Voice/wyoming
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice
from wyoming.ping import Pong
from wyoming.tts import SynthesizeStopped

import dlpo
from dlpo.bundle import MAX_VOICE_NAME, Manifest
from dlpo_serving.audio_stream import taken_within
from dlpo_serving.errors import (
    INTERNAL,
    FieldViolation,
    NotReadyError,
    RequestError,
    public_message,
    shortened,
    status_of,
)
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.request import SpeechRequest, SynthesisCall, check_length
from dlpo_serving.service import SynthesisService, TextPieces
from dlpo_serving.settings.server_settings import address, named_port

MAX_EVENT_BYTES = 1 << 18
MAX_CONNECTIONS = 500
IDLE_S = 300.0  # of silence in both directions before a connection is closed
LAST_WORDS_S = 0.5  # to flush what was sent before a connection is cut

_log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    service: SynthesisService, scope: CallScope, stall_s: float, host: str, port: int
) -> AsyncIterator[int]:
    """Serve while the block runs.

    Args:
        scope: opened for each text; no token is required, since the protocol has none.
        stall_s: seconds a client may leave its audio unread.
        host: address to listen on.
        port: TCP port; 0 lets the system choose.

    Yields:
        The port.

    Raises:
        InputError: the address can't be bound.
    """
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: StreamReader, writer: StreamWriter) -> None:
        if len(connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        client = Conversation(service, scope, stall_s, reader, writer)
        task = loop.create_task(client.run())
        connections.add(task)
        task.add_done_callback(connections.discard)

    def protocol() -> StreamReaderProtocol:
        return StreamReaderProtocol(BoundedReader(limit=MAX_EVENT_BYTES), connected)

    with named_port(address(host, port), "Wyoming", "--wyoming-port"):
        server = await loop.create_server(protocol, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class BoundedReader(StreamReader):
    """Rejects events larger than any needs to be."""

    async def readexactly(self, n: int) -> bytes:
        """See StreamReader; ValueError, which ends the connection, if `n` is too large."""
        if n > MAX_EVENT_BYTES:
            raise ValueError(f"an event has {n} bytes; expected {MAX_EVENT_BYTES} at most")
        return await super().readexactly(n)


@dataclass(slots=True)
class Conversation:
    """One client, from its first event to its last."""

    service: SynthesisService
    scope: CallScope
    stall_s: float
    reader: StreamReader
    writer: StreamWriter
    speaking: asyncio.Task[None] | None = None
    pieces: TextPieces | None = None
    """of a text that arrives in pieces, until its end"""

    async def run(self) -> None:
        """Answer events until the client leaves or makes an error, which is reported to it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while event := await self._next():
                    await self._take(event, tasks)
                if self.speaking:
                    self.speaking.cancel()
        except* OSError:
            pass  # the client is gone
        except* Exception as group:
            error = group.exceptions[0]
            if status_of(error) is INTERNAL:
                _log.error("internal error", exc_info=error)
            last_words = Error(public_message(error), status_of(error).reason).event()
            with suppress(Exception):
                async with asyncio.timeout(LAST_WORDS_S):
                    await async_write_event(last_words, self.writer)
        finally:
            self.writer.close()
            try:
                async with asyncio.timeout(LAST_WORDS_S):
                    await self.writer.wait_closed()
            except OSError:
                self.writer.transport.abort()

    async def _next(self) -> Event | None:
        """The next event; None if the client left, stayed silent or sent something malformed."""
        reading = asyncio.ensure_future(async_read_event(self.reader))
        try:
            await asyncio.wait({reading}, timeout=IDLE_S)
            while self.speaking and not (reading.done() or self.speaking.done()):
                await asyncio.wait({reading}, timeout=IDLE_S)
            event = reading.result() if reading.done() else None
        except (AttributeError, EOFError, KeyError, TypeError, RecursionError):
            return None
        finally:
            reading.cancel()
        if event and not isinstance(event.data, dict):
            event.data = {}
        return event

    async def _take(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        match event.type:
            case "describe":
                await self._send(info(self.service.voices))
            case "ping":
                await self._send(Pong(event.data.get("text") and text_of(event)))
            case "synthesize-chunk" if self.pieces:
                self.pieces.put(text_of(event))
            case "synthesize" if self.pieces:
                pass  # the whole text again, for servers that don't take pieces
            case "synthesize" | "synthesize-start" | "synthesize-stop":
                if self.pieces:
                    self.pieces.put(None)
                    self.pieces = None
                if event.type != "synthesize-stop":
                    await self._begin(event, tasks)

    async def _begin(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        """Speak the event's text once the previous one is finished."""
        if self.speaking:
            await self.speaking
        call = call_of(event)
        if event.type == "synthesize-start":
            self.pieces = TextPieces(MAX_EVENT_BYTES)
        self.speaking = tasks.create_task(self._speak(event.type, call, self.pieces))

    async def _speak(self, method: str, call: SynthesisCall, pieces: TextPieces | None) -> None:
        peer = str(self.writer.get_extra_info("peername", [""])[0])
        with self.scope.utterance(method, "wyoming", peer):
            async with self.service.synthesize(call, pieces) as speech:
                rate_hz = speech.format.sample_rate_hz
                await self._send(AudioStart(rate_hz, 2, 1))
                async for chunk in speech:
                    at_ms = round(1000 * chunk.sample_offset / rate_hz)
                    await self._send(AudioChunk(rate_hz, 2, 1, chunk.audio, at_ms))
            await self._send(AudioStop(round(1000 * speech.audio_s)))  # its slot is already free
            if pieces:
                await self._send(SynthesizeStopped())

    async def _send(self, event: Eventable) -> None:
        async with taken_within(self.stall_s):
            await async_write_event(event.event(), self.writer)


def info(voices: Sequence[Manifest]) -> Info:
    """What a client reads before it requests speech.

    Raises:
        NotReadyError: no voice is loaded yet.
    """
    if not voices:
        raise NotReadyError("the server is still loading its voice; try again shortly")
    by, about = Attribution("dlpo", ""), "few-step diffusion speech"
    offered = [TtsVoice(v.voice, by, True, v.voice, None, [v.language]) for v in voices]
    return Info(tts=[TtsProgram("dlpo", by, True, about, dlpo.__version__, offered, True)])


def call_of(event: Event) -> SynthesisCall:
    """What a `synthesize` or `synthesize-start` event asks for.

    Raises:
        RequestError: a field is invalid.
    """
    whole, kind = event.type == "synthesize", event.data.get("text_format") or "text"
    known = ("text", "ssml") if whole else ("text",)
    if kind not in known:
        what = f"is {shortened(repr(kind))}; expected {' or '.join(known)}"
        raise RequestError(FieldViolation("text_format", what))
    voice, language = voice_of(event.data.get("voice"))
    text = text_of(event) if whole else ""
    return SynthesisCall(SpeechRequest(text, ssml=kind == "ssml", language=language), voice)


def voice_of(asked: Any) -> tuple[str, str]:
    """The name of the voice that is requested, and the language; empty means the default.

    Raises:
        RequestError: one of them is too long.
    """
    given = asked if isinstance(asked, dict) else {}
    name, language = (
        value if isinstance(value := given.get(field), str) else ""
        for field in ("name", "language")
    )
    check_length("voice", name, MAX_VOICE_NAME)
    check_length("language", language)
    return name, language


def text_of(event: Event) -> str:
    """The text of an event.

    Raises:
        RequestError: it has none, or one with lone surrogates.
    """
    text = event.data.get("text")
    with suppress(UnicodeEncodeError):
        if isinstance(text, str):
            text.encode()  # JSON can contain lone surrogates
            return text
    raise RequestError(FieldViolation("text", "expected a string of Unicode text"))
