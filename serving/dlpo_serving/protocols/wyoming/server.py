"""Wyoming, Home Assistant's voice protocol: JSON events and 16-bit audio over TCP.

`synthesize` carries a whole text; `synthesize-start`, `-chunk` and `-stop` carry it in pieces. A
connection speaks one text after another; synthesis stops when its client disconnects.

Reference: https://github.com/OHF-Voice/wyoming
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.ping import Pong
from wyoming.tts import SynthesizeStopped

from dlpo_serving.audio_stream import taken_within
from dlpo_serving.errors import INTERNAL, ShuttingDownError, public_message, status_of
from dlpo_serving.further_text import TextPieces
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.protocols.http.connections import Connections
from dlpo_serving.protocols.http.socket_inbox import BURST, PER_S, Pace
from dlpo_serving.protocols.http.statuses import BodyError
from dlpo_serving.protocols.http.turns import ParsingTurns
from dlpo_serving.protocols.wyoming.replies import audio_events, end_event, info_event
from dlpo_serving.protocols.wyoming.requests import read_call, read_text
from dlpo_serving.request import SynthesisCall
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import address, named_port

MAX_EVENT_BYTES = 1 << 18
IDLE_S = 300.0  # of silence in both directions before a connection is closed
FLUSH_S = 0.5  # to flush what was sent before a connection is cut

_log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    service: SynthesisService,
    scope: CallScope,
    turns: ParsingTurns,
    stall_s: float,
    host: str,
    port: int,
) -> AsyncIterator[int]:
    """Serve while the block runs.

    Args:
        scope: opened for each text; no token is required, since the protocol has none.
        turns: of the server, in which events are read.
        stall_s: seconds a client may leave its audio unread.
        host: address to listen on.
        port: TCP port; 0 lets the system choose.

    Yields:
        The port.

    Raises:
        InputError: the address can't be bound.
    """
    loop = asyncio.get_running_loop()
    clients: dict[asyncio.Task[None], Conversation] = {}

    def leave() -> None:
        for task, client in clients.items():
            client.leave(task)

    def connected(reader: StreamReader, writer: StreamWriter) -> None:
        client = Conversation(service, scope, turns, stall_s, reader, writer)
        task = loop.create_task(client.run())
        clients[task] = client
        task.add_done_callback(clients.pop)

    def protocol() -> StreamReaderProtocol:
        return StreamReaderProtocol(BoundedReader(limit=MAX_EVENT_BYTES), connected)

    connections = Connections(protocol, {}, turns, stall_s)
    with named_port(address(host, port), "Wyoming", "--wyoming-port"):
        server = await loop.create_server(connections.accept, host, port)
    service.call_on_drain(leave)
    watch = loop.create_task(connections.watch())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        watch.cancel()
        server.close()
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


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
    turns: ParsingTurns
    stall_s: float
    reader: StreamReader
    writer: StreamWriter
    pace: Pace = field(default_factory=lambda: Pace(BURST, PER_S, asyncio.get_running_loop().time))
    speaking: asyncio.Task[None] | None = None
    pieces: TextPieces | None = None
    """of a text that arrives in pieces, until its end"""

    def leave(self, task: asyncio.Task[None]) -> None:
        """End the connection, which `task` serves, as soon as nothing is spoken on it."""
        if self.speaking and not self.speaking.done():
            self.speaking.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()

    async def run(self) -> None:
        """Answer events until the client leaves or makes an error, or the server shuts down.

        Either is reported to it.
        """
        try:
            await self._converse()
        except asyncio.CancelledError:
            await self._end_with(ShuttingDownError())
        finally:
            self.writer.close()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self.writer.wait_closed()
            except OSError:
                self.writer.transport.abort()

    async def _converse(self) -> None:
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
            await self._end_with(error)

    async def _end_with(self, error: Exception) -> None:
        last_words = Error(public_message(error), status_of(error).reason).event()
        with suppress(Exception):
            async with asyncio.timeout(FLUSH_S):
                await async_write_event(last_words, self.writer)

    async def _next(self) -> Event | None:
        """The next event; None if the client left, stayed silent or sent something malformed."""
        reading = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({reading}, timeout=IDLE_S)
            while self.speaking and not (reading.done() or self.speaking.done()):
                await asyncio.wait({reading}, timeout=IDLE_S)
            return reading.result() if reading.done() else None
        except (BodyError, EOFError, KeyError, TypeError, ValueError):
            return None
        finally:
            reading.cancel()

    async def _read(self) -> Event:
        """An event: a line of JSON, more of its data, and a payload.

        Raises BodyError, EOFError, KeyError, TypeError or ValueError if it is malformed.
        """
        await asyncio.sleep(self.pace.wait_s())
        head = await self.turns.parsed(await self.reader.readline(), "event")
        data = head.get("data")
        data = data if isinstance(data, dict) else {}
        if size := head.get("data_length"):
            data |= await self.turns.parsed(await self.reader.readexactly(size), "event")
        size = head.get("payload_length")
        payload = await self.reader.readexactly(size) if size else None
        return Event(head["type"], data, payload)

    async def _take(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        match event.type:
            case "describe":
                info = partial(info_event, self.service.loaded_voices())
                await self._send(await self.turns.run(info))
            case "ping":
                await self._send(Pong(event.data.get("text") and read_text(event)))
            case "synthesize-chunk" if self.pieces:
                self.pieces.put(read_text(event))
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
        call = read_call(event)
        if event.type == "synthesize-start":
            self.pieces = self.service.pieces()
        self.speaking = tasks.create_task(self._speak(event.type, call, self.pieces))

    async def _speak(self, method: str, call: SynthesisCall, pieces: TextPieces | None) -> None:
        peer = str(self.writer.get_extra_info("peername", [""])[0])
        with self.scope.utterance(method, "wyoming", peer):
            async with self.service.synthesize(call, pieces) as speech:
                async for event in audio_events(speech):
                    await self._send(event)
            await self._send(end_event(speech))  # its slot is already free
            if pieces:
                await self._send(SynthesizeStopped())

    async def _send(self, event: Eventable) -> None:
        async with taken_within(self.stall_s):
            await async_write_event(event.event(), self.writer)
