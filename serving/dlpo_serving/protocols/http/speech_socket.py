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
from functools import partial
from itertools import count
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from dlpo.errors import InputError
from dlpo_serving.audio_stream import taken_within
from dlpo_serving.errors import (
    CallRejectedError,
    FieldViolation,
    RequestError,
    StalledError,
    UnauthenticatedError,
)
from dlpo_serving.further_text import TextPieces
from dlpo_serving.operations.call_scope import CallScope, current_call
from dlpo_serving.protocols.http.dialects import (
    OPENAI_KEY,
    RIVA_KEY,
    Cancel,
    ContextDialect,
    Dialect,
    Message,
    Piece,
    offered_protocols,
    text_of,
)
from dlpo_serving.protocols.http.pacing import is_paced, paced
from dlpo_serving.protocols.http.replies import BEGUN, REPORT_ERROR_S
from dlpo_serving.protocols.http.requests import HttpLimits, read_call
from dlpo_serving.protocols.http.speech_body import SpeechBody, json_object
from dlpo_serving.protocols.http.statuses import FIELD_NAMES, BodyError, ErrorReply, reply_to
from dlpo_serving.service import SynthesisService
from dlpo_serving.synthesis.timing import WordTiming

HEARTBEAT_S = 20.0  # between pings; a client is dropped if one goes unanswered for half as long
IDLE_S = 300.0  # of silence in both directions, for connections with several utterances
DEFAULT_CONTEXT = "default"  # for messages that name none
MAX_CONTEXT_ID = 100  # characters; the rest is cut off
MAX_CONTEXTS = 5  # open concurrently on one connection, as at ElevenLabs
BURST, PER_S = 2_000, 500.0  # messages of a connection that are read without a pause; per second
MAX_ERRORS = 50  # replies to invalid messages on one connection, which then ends
MAX_KEEP_ALIVES = 10_000  # messages in a row that say nothing


@dataclass(slots=True)
class SocketReply:
    """An open WebSocket connection, and what was sent on it."""

    response: web.WebSocketResponse
    dialect: Dialect
    stall_s: float
    rate_hz: int = 0
    """sample rate of the audio, once it begins"""
    sent_s: float = 0.0
    """seconds of audio"""
    words: list[WordTiming] = field(default_factory=list)
    context: Message = field(default_factory=dict)
    """added to every message"""

    async def send(self, *messages: Message | bytes) -> None:
        """Send messages one after another.

        Raises:
            StalledError: the client has stopped reading.
        """
        async with taken_within(self.stall_s):
            for message in messages:
                if isinstance(message, bytes):
                    await self.response.send_bytes(message)
                else:
                    await self.response.send_json({**message, **self.context})

    async def cut(self, error: ErrorReply) -> None:
        """See `Begun`: send the error as a message, then close."""
        code = WSCloseCode.INTERNAL_ERROR if error.status >= 500 else WSCloseCode.POLICY_VIOLATION
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(REPORT_ERROR_S):
                for message in self.dialect.error(error):
                    await self.response.send_json(message)
                await self.response.close(code=code)

    def heard(self, played_s: float | None) -> Message:
        """How much was heard: the last word that had begun, and characters of text to its end."""
        until_s = self.sent_s if played_s is None else min(played_s, self.sent_s)
        begun = [word for word in self.words if word.start < until_s * self.rate_hz]
        return {
            "sent_s": round(self.sent_s, 6),
            "played_s": round(until_s, 6),
            "word": begun[-1].word if begun else None,
            "characters": begun[-1].text_end if begun else 0,
        }


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
            self.pieces.put(piece)


@dataclass(frozen=True, slots=True)
class SpeechSockets:
    """The WebSocket routes; see the module's docstring."""

    service: SynthesisService
    scope: CallScope
    limits: HttpLimits

    def routes(self) -> list[web.RouteDef]:
        """The route of our own messages."""
        own = partial(self.converse, lambda _: Dialect(self.limits.strict))
        return [web.get("/v1/audio/speech/stream", own)]

    async def contexts(
        self, open_dialect: Callable[[web.Request], ContextDialect], request: web.Request
    ) -> web.StreamResponse:
        """Several concurrent utterances, each a separate call.

        A rejected one ends alone; a malformed message ends the connection.
        """
        dialect = open_dialect(request)
        socket = (await self.open(request, dialect)).response
        inbox, keep_alives = Inbox(socket), 0
        begun: dict[str, _Context] = {}

        async def speak(context: _Context, body: SpeechBody) -> None:
            try:
                names = context.dialect.named(context.name)
                reply = SocketReply(socket, context.dialect, self.limits.stall_s, context=names)
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
                    context = _Context(
                        name, open_dialect(request), TextPieces(self.limits.body_bytes)
                    )
                    context.dialect.paced = dialect.paced
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
        await socket.close()
        return socket

    async def converse(
        self, open_dialect: Callable[[web.Request], Dialect], request: web.Request
    ) -> web.StreamResponse:
        """A connection with one utterance, or one after another if its client says so."""
        dialect = open_dialect(request)
        reply = await self.open(request, dialect)
        inbox, connection = Inbox(reply.response), current_call()
        message = await inbox.next(self.limits.body_s)
        refused = 0
        for turn in count():  # the call of the first one is the connection's
            call = ("utterance", "http", connection.peer, connection)
            try:
                with self.scope.utterance(*call) if turn else nullcontext():
                    await self._turn(reply.response, dialect, inbox, message)
            except (CallRejectedError, InputError) as error:
                if not dialect.keep_open or isinstance(error, UnauthenticatedError | StalledError):
                    raise
                if not turn:
                    self.scope.count_failure(error)
                refused = counted(refused, MAX_ERRORS, "refused utterances")
                await reply.send(*dialect.error(reply_to(error, dialect.names)))
            if not (dialect.keep_open or inbox.unread):
                break
            message = await _next_begin(inbox, dialect)
        await reply.response.close()
        return reply.response

    async def _turn(
        self, socket: web.WebSocketResponse, dialect: Dialect, inbox: Inbox, begin: Message
    ) -> None:
        """An utterance of a conversation."""
        body, begun_with = dialect.begin(begin)
        reply = SocketReply(socket, dialect, self.limits.stall_s)
        pieces = TextPieces(self.limits.body_bytes)
        for piece in begun_with:
            pieces.put(piece)
        async with tasks_of_connection() as tasks:
            speaking = tasks.create_task(self._speak(reply, body, pieces))
            reading = tasks.create_task(_read(reply, inbox, pieces, speaking))
            await asyncio.wait({speaking})
            reading.cancel()
        read = None if reading.cancelled() else reading.result()
        if not speaking.cancelled():
            speaking.result()  # raises if the client left mid-message
        elif read is not None:
            heard = reply.heard(read.played_s)
            await reply.send({"type": "speech.cancelled", **heard})

    async def open(self, request: web.Request, dialect: Dialect) -> SocketReply:
        """Open a connection, for pages of allowed origins."""
        # Browsers let any page open a WebSocket: pages of other origins need `--cors-origin`.
        allowed = {"*", request.headers.get("Origin")} & set(self.limits.origins)
        if not allowed and not is_same_origin(request):
            raise web.HTTPForbidden(reason="this page's origin is not allowed; see --cors-origin")
        dialect.paced = is_paced(request)
        offered = offered_protocols(request)
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            # A key among them must not be sent back, for proxies to log.
            protocols=[one for one in offered if not one.startswith((OPENAI_KEY, RIVA_KEY))],
            max_msg_size=self.limits.body_bytes,
            compress=False,
        )
        await socket.prepare(request)
        request[FIELD_NAMES] = dialect.names
        request[BEGUN] = reply = SocketReply(socket, dialect, self.limits.stall_s)
        return reply

    def check(self, body: SpeechBody) -> None:
        """Refuse a voice or settings before their text comes; see `SynthesisService.check`."""
        call, _ = read_call(body, self.service.voices, self.limits, streamed=True)
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
            await reply.send(*reply.dialect.error(reply_to(error, reply.dialect.names)))

    async def _speak(self, reply: SocketReply, body: SpeechBody, pieces: TextPieces | None) -> None:
        call, warnings = read_call(body, self.service.voices, self.limits, streamed=True)
        async with self.service.synthesize(call, pieces) as speech:
            reply.rate_hz = speech.format.sample_rate_hz
            await reply.send(*reply.dialect.info(speech, warnings))
            chunks = aiter(speech)
            if reply.dialect.paced:
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


class Pace:
    """How soon a client's next message may be read: a burst at once, then so many per second."""

    def __init__(self, burst: float, per_s: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._room = burst
        self._seen_s = clock()

    def wait_s(self) -> float:
        """Take one message; seconds to wait before it is read."""
        now_s = self._clock()
        grown = self._room + self._per_s * (now_s - self._seen_s)
        self._room = min(grown, self._burst) - 1
        self._seen_s = now_s
        return max(-self._room, 0.0) / self._per_s


class Inbox:
    """The messages of a client. Everybody else's work has a turn before each of them."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self.unread: Message | None = None
        """a message that was put back"""
        self._pace = Pace(BURST, PER_S, asyncio.get_running_loop().time)

    def put_back(self, message: Message) -> None:
        """Let the client's last message be its next one again."""
        self.unread = message

    async def next(
        self, limit_s: float | None = None, busy: Callable[[], object] = bool
    ) -> Message:
        """The client's next message.

        `receive` does not suspend while messages are there: without the turns, those of one
        client would be read for seconds on end.

        Raises:
            BodyError: it is not a JSON object.
            ConnectionResetError: the client has left, or its message was too large.
            StalledError: none came within `limit_s` seconds, and the server was not `busy` then.
        """
        if (unread := self.unread) is not None:
            self.unread = None
            return unread
        await asyncio.sleep(self._pace.wait_s())
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    message = await self._socket.receive()
                    break
            except TimeoutError as error:
                if not busy():
                    what = f"no message came within {limit_s:g} s; begin at once"
                    raise StalledError(what) from error
        match message.type:
            case WSMsgType.TEXT:
                return json_object(message.data.encode("utf-8", "surrogatepass"), "message")
            case WSMsgType.BINARY:
                raise BodyError("a message is binary; expected a JSON object as text", 400)
        raise ConnectionResetError


def counted(before: int, most: int, what: str) -> int:
    """One more than `before`; raises StalledError, which ends the connection, beyond `most`."""
    if before >= most:
        raise StalledError(f"more than {most} {what} came; connect again, and send fewer")
    return before + 1


async def _read_on(inbox: Inbox) -> None:
    """Discard messages: aiohttp answers pings and sees a disconnect only while receiving."""
    while True:
        await inbox.next()


async def _read(
    reply: SocketReply, inbox: Inbox, pieces: TextPieces, speaking: asyncio.Task[None]
) -> Cancel | None:
    """Pass on text until the client cancels, which cancels `speaking`, or begins again."""
    while True:
        message = await inbox.next()
        if pieces.ended and message.get("type") == "begin":
            inbox.put_back(message)
            return None
        for piece in reply.dialect.pieces(message):
            if isinstance(piece, Cancel):
                speaking.cancel()
                return piece
            pieces.put(piece)


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
