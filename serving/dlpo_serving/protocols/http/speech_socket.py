"""Text in and audio out over a WebSocket, for clients without gRPC.

`/v1/audio/speech/stream` uses our own messages, one utterance after another. For other APIs,
`converse` takes one, `contexts` several concurrently, `utter` speaks what a server of theirs reads.
One task reads the client's messages while another sends the audio, so that a cancel takes effect
between two chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

from aiohttp import web

from dlpo.errors import InputError
from dlpo_serving.errors import (
    CallRejectedError,
    FieldViolation,
    RequestError,
    ShuttingDownError,
    StalledError,
    UnauthenticatedError,
)
from dlpo_serving.further_text import TextPieces
from dlpo_serving.operations.call_scope import CallScope, current_call
from dlpo_serving.protocols.http.api import without_keys
from dlpo_serving.protocols.http.dialects import (
    Cancel,
    ContextDialect,
    Dialect,
    Message,
    Piece,
    text_of,
)
from dlpo_serving.protocols.http.pacing import is_paced, paced
from dlpo_serving.protocols.http.replies import BEGUN
from dlpo_serving.protocols.http.requests import first_audio_ms, read_call
from dlpo_serving.protocols.http.socket_inbox import Inbox, counted
from dlpo_serving.protocols.http.socket_reply import OpenSockets, SocketReply
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import FIELD_NAMES

HEARTBEAT_S = 20.0  # between pings; a client is dropped if one goes unanswered for half as long
IDLE_S = 300.0  # of silence in both directions, for connections with several utterances
DEFAULT_CONTEXT = "default"  # for messages that name none
MAX_CONTEXT_ID = 100  # characters; the rest is cut off
MAX_CONTEXTS = 5  # open concurrently on one connection
MAX_ERRORS = 50  # replies to invalid messages on one connection, which then ends
MAX_KEEP_ALIVES = 10_000  # messages in a row that say nothing


@dataclass(slots=True)
class _Context:
    """An utterance of a connection that has several."""

    name: str
    dialect: ContextDialect
    pieces: TextPieces
    task: asyncio.Task[None] | None = None
    """speaks it"""

    def take(self, piece: Piece | Cancel) -> None:
        """Speak the next piece; a cancel ends the utterance."""
        if isinstance(piece, Cancel):
            assert self.task
            self.task.cancel()
        else:
            self.dialect.put(self.pieces, piece)


@dataclass(frozen=True, slots=True)
class SpeechSockets(SpeechAnswers):
    """Answers requests, and converses over WebSockets; see the module's docstring."""

    scope: CallScope
    opened: OpenSockets = field(default_factory=OpenSockets)

    async def contexts(
        self, open_dialect: Callable[[web.Request], ContextDialect], request: web.Request
    ) -> web.StreamResponse:
        """Several concurrent utterances, each a separate call.

        A rejected one ends alone; a malformed message ends the connection.
        """
        dialect = open_dialect(request)
        connection, keep_alives = await self.open(request, dialect), 0
        inbox = connection.inbox
        begun: dict[str, _Context] = {}

        async def speak(context: _Context, body: SpeechBody) -> None:
            try:
                names = context.dialect.named(context.name)
                reply = connection.another(context.dialect, **names)
                await self.utter("context", reply, body, context.pieces)
            finally:
                del begun[context.name]

        async with tasks_of_connection() as tasks:
            while True:
                message = await inbox.next(IDLE_S, begun.__len__)
                if message.get("close_socket") is True:
                    break
                name = text_of("context_id", message.get("context_id") or DEFAULT_CONTEXT)
                name = name[:MAX_CONTEXT_ID]
                if name in begun:
                    further = begun[name].dialect.pieces(message)
                elif not dialect.opens(message):  # a keep-alive, or the end of no utterance
                    keep_alives = counted(keep_alives, MAX_KEEP_ALIVES, "keep-alives in a row")
                    continue
                elif len(begun) == MAX_CONTEXTS:
                    what = f"is one more than the {MAX_CONTEXTS} that may be open; close another"
                    raise RequestError(FieldViolation("context_id", what))
                else:
                    context = _Context(name, open_dialect(request), self.service.pieces())
                    body, further = context.dialect.begin(message)
                    begun[name] = context
                    context.task = tasks.create_task(speak(context, body))
                keep_alives = 0
                for piece in further or [""]:  # a keep-alive counts, too
                    begun[name].take(piece)
            for context in begun.values():
                context.pieces.put(None)
            reading = tasks.create_task(_read_on(inbox))
            await asyncio.gather(*(one.task for one in begun.values() if one.task))
            reading.cancel()
        await connection.response.close()
        return connection.response

    async def converse(
        self, open_dialect: Callable[[web.Request], Dialect], request: web.Request
    ) -> web.StreamResponse:
        """A connection with one utterance, or one after another if its client says so."""
        dialect = open_dialect(request)
        reply = await self.open(request, dialect)
        inbox, connection = reply.inbox, current_call()
        message = await inbox.next(self.limits.body_s)
        refused = 0
        for turn in count():  # the call of the first one is the connection's
            call = ("utterance", "http", connection.peer, connection)
            try:
                with self.scope.utterance(*call) if turn else nullcontext():
                    await self._turn(reply.another(), message)
            except (CallRejectedError, InputError) as error:
                if not dialect.keep_open or isinstance(error, UnauthenticatedError | StalledError):
                    raise
                if not turn:
                    self.scope.count_failure(error)
                refused = counted(refused, MAX_ERRORS, "refused utterances")
                await reply.refuse(error)
            if not (dialect.keep_open or inbox.unread):
                break
            message = await _next_begin(inbox, dialect)
        await reply.response.close()
        return reply.response

    async def _turn(self, reply: SocketReply, begin: Message) -> None:
        """An utterance of a conversation."""
        body, begun_with = reply.dialect.begin(begin)
        pieces = self.service.pieces()
        for piece in begun_with:
            reply.dialect.put(pieces, piece)
        async with tasks_of_connection() as tasks:
            speaking = tasks.create_task(self._speak(reply, body, pieces))
            reading = tasks.create_task(_read(reply, pieces, speaking))
            await asyncio.wait({speaking})
            reading.cancel()
        read = None if reading.cancelled() else reading.result()
        if not speaking.cancelled():
            speaking.result()  # raises if the client left mid-message
        elif read is not None:
            heard = reply.heard(read.played_s)
            await reply.send({"type": "speech.cancelled", **heard})

    async def open(self, request: web.Request, dialect: Dialect) -> SocketReply:
        """Open a connection, for pages of allowed origins, unless the server shuts down."""
        if self.service.draining:
            raise ShuttingDownError
        # Browsers let any page open a WebSocket: pages of other origins need `--cors-origin`.
        allowed = {"*", request.headers.get("Origin")} & set(self.limits.origins)
        if not allowed and not is_same_origin(request):
            raise web.HTTPForbidden(reason="this page's origin is not allowed; see --cors-origin")
        pace, first_ms = is_paced(request), first_audio_ms(request)
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            protocols=without_keys(request),
            max_msg_size=self.limits.body_bytes,
            compress=False,
        )
        socket.headers["X-Mark"] = ", ".join(sorted(set(self.service.marks.values())))
        await socket.prepare(request)
        inbox, names = Inbox(socket, self.turns), request[FIELD_NAMES]
        reply = SocketReply(socket, inbox, dialect, names, self.limits.stall_s, pace, first_ms)
        request[BEGUN] = reply
        self.opened.add(reply)
        if self.service.draining:  # since the handshake
            reply.inbox.leave()
        return reply

    def check(self, body: SpeechBody) -> None:
        """Refuse a voice or settings before their text comes; see `SynthesisService.check`."""
        call, _ = read_call(body, self.service.voices, self.limits)
        self.service.check(call)

    async def utter(
        self, method: str, reply: SocketReply, body: SpeechBody, pieces: TextPieces | None = None
    ) -> None:
        """One of several utterances on a connection."""
        connection = current_call()  # which knows the caller
        try:
            with self.scope.utterance(method, "http", connection.peer, connection):
                await self._speak(reply, body, pieces)
        except UnauthenticatedError:  # its key has been deleted: nothing more is spoken here
            raise
        except (CallRejectedError, RequestError) as error:
            await reply.refuse(error)

    async def _speak(self, reply: SocketReply, body: SpeechBody, pieces: TextPieces | None) -> None:
        voices, first_ms = self.service.voices, reply.first_audio_ms
        call, warnings = read_call(body, voices, self.limits, first_ms)
        async with self.service.synthesize(call, pieces) as speech:
            reply.rate_hz = speech.format.sample_rate_hz
            await reply.send(*reply.dialect.info(speech, warnings))
            chunks = aiter(speech)
            if reply.paced:
                chunks = paced(chunks, speech.format)
            async for chunk in chunks:
                if chunk.audio or chunk.words or (chunk.flushes and speech.tells_flushes):
                    await reply.send(*reply.dialect.chunk(speech, chunk))
                    reply.sent_s = (chunk.sample_offset + chunk.samples) / reply.rate_hz
                    reply.words += chunk.words
        await reply.send(*reply.dialect.done(speech))  # the slot is already free


@asynccontextmanager
async def tasks_of_connection() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end with the block; the first error among them ends it, as does a disconnect."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        if not isinstance(group.exceptions[0], ConnectionResetError):
            raise group.exceptions[0] from group


async def _read_on(inbox: Inbox) -> None:
    """Discard messages: aiohttp answers pings and sees a disconnect only while receiving."""
    while True:
        await inbox.next()


async def _read(
    reply: SocketReply, pieces: TextPieces, speaking: asyncio.Task[None]
) -> Cancel | None:
    """Pass on text until the client cancels, which cancels `speaking`, or begins again."""
    while True:
        message = await reply.inbox.next()
        if pieces.ended and message.get("type") == "begin":
            reply.inbox.put_back(message)
            return None
        for piece in reply.dialect.pieces(message):
            if isinstance(piece, Cancel):
                speaking.cancel()
                return piece
            reply.dialect.put(pieces, piece)


async def _next_begin(inbox: Inbox, dialect: Dialect) -> Message:
    """The message that begins the next utterance; what still comes for the last one is dropped."""
    dropped = 0
    while (message := await inbox.next(IDLE_S)).get("type") != "begin":
        dialect.pieces(message)
        dropped = counted(dropped, MAX_KEEP_ALIVES, "messages between two utterances")
    return message


def is_same_origin(request: web.Request) -> bool:
    """Whether a request comes from our own page, or from a program, which sends no Origin."""
    origin = request.headers.get("Origin")
    with suppress(ValueError):
        return origin is None or urlsplit(origin).netloc == request.host
    return False
