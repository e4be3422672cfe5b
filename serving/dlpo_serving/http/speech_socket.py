"""Text in and audio out over a WebSocket, for clients without gRPC; one utterance a connection.

`/v1/audio/speech/stream` has messages of our own, `/v1/text-to-speech/{voice}/stream-input` those
of ElevenLabs. One task reads the client's messages while another sends the audio, so that a cancel
stops it between two chunks.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk, taken_within
from dlpo_serving.errors import (
    CallRejectedError,
    FieldViolation,
    RequestError,
    StalledError,
    shortened,
)
from dlpo_serving.http.speech_body import SpeechBody, json_object, read_speech_fields
from dlpo_serving.http.speech_route import (
    BEGUN,
    LAST_WORDS_S,
    DlpoEvents,
    HttpLimits,
    call_of,
)
from dlpo_serving.http.statuses import BodyError, ErrorReply, reply_to
from dlpo_serving.operations.call_scope import CallScope, current_call
from dlpo_serving.request import SynthesisCall
from dlpo_serving.service import Flush, SynthesisService, TextPieces
from dlpo_serving.synthesis.timing import WordTiming

HEARTBEAT_S = 20.0  # between pings; a client that answers none for half as long is gone
AUDIO = ("binary", "base64")
ELEVENLABS_FORMATS = {"pcm": "pcm", "mp3": "mp3", "ulaw": "mulaw", "alaw": "alaw", "opus": "opus"}
ELEVENLABS_DEFAULT = "mp3_44100_128"
ELEVENLABS_VOICE = re.compile(r"[A-Za-z0-9]{20}")  # one of theirs, which means our default
MAX_CONTEXT_ID = 100  # characters; the rest is left out
MAX_CONTEXTS = 5  # of one connection at the same time, as theirs
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    """The listener broke in."""

    played_s: float | None = None
    """seconds of the audio that were played; None: all that was sent"""


Piece = str | Flush | None
"""of a text; None is its end"""


class Dialect:
    """The messages of both directions; here our own, `{"type": "begin" | "text" | ...}`.

    Args:
        strict: refuse unknown fields.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._binary = True

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        """The client's first message: what it asks for, and text that came with it."""
        fields = {name: value for name, value in message.items() if value is not None}
        if (kind := fields.pop("type", None)) != "begin":
            raise RequestError(FieldViolation("type", f"is {_brief(kind)}; expected begin first"))
        audio = fields.pop("audio", AUDIO[0])
        if audio not in AUDIO:
            expected = " or ".join(AUDIO)
            raise RequestError(FieldViolation("audio", f"is {_brief(audio)}; expected {expected}"))
        self._binary = audio == AUDIO[0]
        fields.setdefault("response_format", "pcm")
        text = fields.pop("input", None)
        body = read_speech_fields({**fields, "input": ""}, self._strict)
        return body, [] if text is None else [_text("input", text)]

    def pieces(self, message: Message) -> Sequence[Piece | Cancel]:
        """A further message of the client."""
        match message:
            case {"type": "text"}:
                return [_text("text", message.get("text"))]
            case {"type": "flush"}:
                return [Flush()]
            case {"type": "end"}:
                return [None]
            case {"type": "cancel"}:
                return [Cancel(_seconds(message.get("played_s")))]
        known = "text, flush, end or cancel"
        raise RequestError(
            FieldViolation("type", f"is {_brief(message.get('type'))}; expected {known}")
        )

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Message | None:
        """What comes before the first chunk."""
        info = DlpoEvents(speech).info()
        return {**info, "warnings": list(warnings)} if warnings else info

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> tuple[Message, bytes]:
        """A chunk, and the bytes of a binary message after it."""
        event = DlpoEvents(speech).audio(chunk)
        if self._binary:
            return {**event, "bytes": len(chunk.audio)}, chunk.audio
        return {**event, "audio": b64encode(chunk.audio).decode()}, b""

    def done(self, speech: AudioStream) -> Message:
        """What comes after the last chunk."""
        events = DlpoEvents(speech)
        return {**events.done(), **events.text()}

    def error(self, reply: ErrorReply) -> Message:
        """What comes before the connection ends for an error."""
        return {"type": "error", **reply.json()}


class ElevenLabsDialect(Dialect):
    """The messages of ElevenLabs' `stream-input`: text in pieces, audio in base64, alignments.

    Its `xi_api_key` message field is ignored: keys come in the header `xi-api-key`.

    Args:
        request: its path names a voice, its query the `output_format`, such as `pcm_24000`.

    Raises:
        RequestError: the format is unknown.

    Reference: https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-stream-input
    """

    def __init__(self, request: web.Request) -> None:
        super().__init__(strict=False)
        voice = request.match_info["voice"]
        output_format = request.query.get("output_format", ELEVENLABS_DEFAULT)
        self._voice = "" if ELEVENLABS_VOICE.fullmatch(voice) else voice
        codec, _, rest = output_format.partition("_")
        rate = rest.partition("_")[0]
        if codec not in ELEVENLABS_FORMATS or not rate.isascii() or not rate.isdigit():
            known = ", ".join(f"{name}_RATE" for name in ELEVENLABS_FORMATS)
            message = f"is {shortened(output_format)!r}; expected {known}"
            raise RequestError(FieldViolation("output_format", message))
        self._format, self._rate_hz = ELEVENLABS_FORMATS[codec], int(rate)

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        settings = message.get("voice_settings")
        speed = settings.get("speed") if isinstance(settings, dict) else None
        fields = {
            "input": "",
            "voice": self._voice,
            "response_format": self._format,
            "sample_rate": self._rate_hz,
            "speed": speed,
        }
        text = message.get("text")
        if isinstance(text, str) and text and not text.strip():
            return read_speech_fields(fields), []
        return read_speech_fields(fields), self.pieces(message)

    def pieces(self, message: Message) -> Sequence[Piece]:
        text = _text("text", message.get("text"))
        if not text:
            return [None]
        flush = message.get("flush") is True
        return [text, Flush()] if flush else [text]

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Message | None:
        return None

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> tuple[Message, bytes]:
        alignment = _alignment(chunk, speech.format.sample_rate_hz)
        message = {
            "audio": b64encode(chunk.audio).decode(),
            "isFinal": None,
            "alignment": alignment,
            "normalizedAlignment": alignment,
        }
        return message, b""

    def done(self, speech: AudioStream) -> Message:
        return {"audio": None, "isFinal": True, "alignment": None, "normalizedAlignment": None}

    def error(self, reply: ErrorReply) -> Message:
        return {"message": reply.message, "error": reply.code or reply.kind, "code": reply.status}


class ContextsDialect(ElevenLabsDialect):
    """The same for `multi-stream-input`, where each message names its utterance, `context_id`."""

    def pieces(self, message: Message) -> Sequence[Piece]:
        text = _text("text", message.get("text") or "")  # an empty one keeps the connection alive
        pieces: list[Piece] = [text] if text else []
        pieces += [Flush()] * (message.get("flush") is True)
        return pieces + [None] * (message.get("close_context") is True)


def _alignment(chunk: EncodedChunk, rate_hz: int) -> dict[str, list[Any]] | None:
    """When each letter of the chunk's words begins, evenly within its word, in ms of the chunk."""
    letters: list[str] = []
    starts: list[int] = []
    lasts: list[int] = []
    for word in chunk.words:
        begin_ms = 1000 * (word.start - chunk.sample_offset) / rate_hz
        step_ms = 1000 * (word.stop - word.start) / rate_hz / max(len(word.word), 1)
        for place, letter in enumerate(word.word):
            letters.append(letter)
            starts.append(round(begin_ms + place * step_ms))
            lasts.append(round(step_ms))
        letters.append(" ")
        starts.append(round(begin_ms + len(word.word) * step_ms))
        lasts.append(0)
    if not letters:
        return None
    return {
        "chars": letters,
        "charStartTimesMs": starts,
        "charDurationsMs": lasts,
        "charsDurationsMs": lasts,  # as some clients spell it
    }


@dataclass(slots=True)
class SocketReply:
    """A connection whose WebSocket is open, and what was sent on it."""

    response: web.WebSocketResponse
    dialect: Dialect
    stall_s: float
    rate_hz: int = 0
    """of the audio, once it begins"""
    sent_s: float = 0.0
    """seconds of audio"""
    words: list[WordTiming] = field(default_factory=list)
    context: Message = field(default_factory=dict)
    """goes into every message"""

    async def send(self, message: Message, data: bytes = b"") -> None:
        """Send a message, and binary data after it.

        Raises:
            StalledError: the client does not read.
        """
        async with taken_within(self.stall_s):
            await self.response.send_json({**message, **self.context})
            if data:
                await self.response.send_bytes(data)

    async def cut(self, error: ErrorReply) -> None:
        """See `Begun`: the error as a message, then the end."""
        code = WSCloseCode.INTERNAL_ERROR if error.status >= 500 else WSCloseCode.POLICY_VIOLATION
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self.response.send_json(self.dialect.error(error))
                await self.response.close(code=code)

    def heard(self, played_s: float | None) -> Message:
        """How far the listener heard: the last word that had begun, and characters of the text."""
        until_s = self.sent_s if played_s is None else min(played_s, self.sent_s)
        begun = [word for word in self.words if word.start < until_s * self.rate_hz]
        return {
            "sent_s": round(self.sent_s, 6),
            "played_s": round(until_s, 6),
            "word": begun[-1].word if begun else None,
            "characters": begun[-1].text_end if begun else 0,
        }


def socket_routes(
    service: SynthesisService, scope: CallScope, limits: HttpLimits
) -> list[web.RouteDef]:
    """The three routes; see the module."""

    async def own(request: web.Request) -> web.StreamResponse:
        return await _converse(request, service, limits, Dialect(limits.strict))

    async def elevenlabs(request: web.Request) -> web.StreamResponse:
        return await _converse(request, service, limits, ElevenLabsDialect(request))

    async def contexts(request: web.Request) -> web.StreamResponse:
        return await _converse_in_contexts(request, service, scope, limits)

    return [
        web.get("/v1/audio/speech/stream", own),
        web.get("/v1/text-to-speech/{voice}/stream-input", elevenlabs),
        web.get("/v1/text-to-speech/{voice}/multi-stream-input", contexts),
    ]


async def _converse(
    request: web.Request, service: SynthesisService, limits: HttpLimits, dialect: Dialect
) -> web.StreamResponse:
    reply = await _open(request, limits, dialect)
    socket = reply.response
    pieces = TextPieces(limits.body_bytes)
    first = await _first(socket, limits.body_s)
    if first is None:
        return socket
    body, begun_with = dialect.begin(first)
    for piece in begun_with:
        pieces.put(piece)
    call, warnings = call_of(body, service.voices, limits, streamed=True)
    reading = asyncio.create_task(_read(socket, dialect, pieces))
    speaking = asyncio.create_task(_speak(service, call, pieces, reply, warnings))
    try:
        await asyncio.wait({reading, speaking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reading, speaking):
            task.cancel()
        await asyncio.wait({reading, speaking})
    cancel = None if reading.cancelled() else reading.result()
    if not speaking.cancelled():
        speaking.result()
    elif cancel:
        await reply.send({"type": "speech.cancelled", **reply.heard(cancel.played_s)})
    await socket.close()
    return socket


async def _open(request: web.Request, limits: HttpLimits, dialect: Dialect) -> SocketReply:
    _check_origin(request, limits)
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, max_msg_size=limits.body_bytes, compress=False
    )
    await socket.prepare(request)
    request[BEGUN] = reply = SocketReply(socket, dialect, limits.stall_s)
    return reply


async def _converse_in_contexts(
    request: web.Request, service: SynthesisService, scope: CallScope, limits: HttpLimits
) -> web.StreamResponse:
    """Several utterances side by side, each a call of its own.

    One that is refused ends alone; a message that can't be understood ends the connection.
    """
    dialect, record = ContextsDialect(request), current_call()
    socket = (await _open(request, limits, dialect)).response
    begun: dict[str, TextPieces] = {}

    async def speak(name: str, pieces: TextPieces, body: SpeechBody) -> None:
        reply = SocketReply(socket, dialect, limits.stall_s, context={"contextId": name})
        try:
            with scope.utterance("context", "http", record.peer, record.caller):
                call, warnings = call_of(body, service.voices, limits, streamed=True)
                await _speak(service, call, pieces, reply, warnings)
        except (CallRejectedError, RequestError) as error:
            await reply.send(dialect.error(reply_to(error)))
        finally:
            del begun[name]

    try:
        async with asyncio.TaskGroup() as speaking:
            tasks: set[asyncio.Task[None]] = set()
            async for message in _messages(socket):
                name = _text("context_id", message.get("context_id") or "")[:MAX_CONTEXT_ID]
                if name in begun:
                    further = dialect.pieces(message)
                elif not name or not message.get("text"):  # keeps the connection, or ends no speech
                    continue
                elif len(begun) == MAX_CONTEXTS:
                    what = f"is one more than the {MAX_CONTEXTS} that may be open; close another"
                    raise RequestError(FieldViolation("context_id", what))
                else:
                    body, further = dialect.begin(message)
                    begun[name] = TextPieces(limits.body_bytes)
                    task = speaking.create_task(speak(name, begun[name], body))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                for piece in further:
                    begun[name].put(piece)
            for task in tasks:
                task.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    await socket.close()
    return socket


async def _first(socket: web.WebSocketResponse, limit_s: float) -> Message | None:
    """The client's first message; None where it left."""
    try:
        async with asyncio.timeout(limit_s):
            return await anext(_messages(socket), None)
    except TimeoutError as error:
        message = f"no message came within {limit_s:g} s; begin at once"
        raise StalledError(message) from error


async def _messages(socket: web.WebSocketResponse) -> AsyncIterator[Message]:
    async for message in socket:
        if message.type is WSMsgType.ERROR:  # the client is gone, or its message was too large
            return
        if message.type is not WSMsgType.TEXT:
            raise BodyError("a message is binary; expected a JSON object as text", 400)
        yield json_object(message.data.encode("utf-8", "surrogatepass"))


async def _read(
    socket: web.WebSocketResponse, dialect: Dialect, pieces: TextPieces
) -> Cancel | None:
    """Pass on text until the client cancels; None where it left without a word."""
    async for message in _messages(socket):
        for piece in dialect.pieces(message):
            if isinstance(piece, Cancel):
                return piece
            pieces.put(piece)
    return None


async def _speak(
    service: SynthesisService,
    call: SynthesisCall,
    pieces: TextPieces,
    reply: SocketReply,
    warnings: Sequence[str],
) -> None:
    async with service.synthesize(call, pieces) as speech:
        reply.rate_hz = speech.format.sample_rate_hz
        if info := reply.dialect.info(speech, warnings):
            await reply.send(info)
        async for chunk in speech:
            if chunk.audio or chunk.words:
                await reply.send(*reply.dialect.chunk(speech, chunk))
                reply.sent_s = speech.record.audio_s
                reply.words += chunk.words
    await reply.send(reply.dialect.done(speech))  # the place is free already


def _check_origin(request: web.Request, limits: HttpLimits) -> None:
    """Browsers let any page open a WebSocket: those of other origins need `--cors-origin`."""
    allowed = {"*", request.headers.get("Origin")} & set(limits.origins)
    if not allowed and not is_same_origin(request):
        raise web.HTTPForbidden(reason="this page's origin is not allowed; see --cors-origin")


def is_same_origin(request: web.Request) -> bool:
    """Whether a browser, if it is one, sends for our own page. Programs send no Origin."""
    origin = request.headers.get("Origin")
    with suppress(ValueError):
        return origin is None or urlsplit(origin).netloc == request.host
    return False


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RequestError(FieldViolation(name, f"is {_brief(value)}; expected a string"))
    return value


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and value >= 0):
        return value
    what = f"is {_brief(value)}; expected seconds, 0 or more"
    raise RequestError(FieldViolation("played_s", what))


def _brief(value: object) -> str:
    return "absent" if value is None else shortened(repr(value))
