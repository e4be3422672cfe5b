"""jambonz's custom speech vendor: `/v1/jambonz` over HTTP and as a WebSocket.

The key of jambonz's portal goes there, too. On the WebSocket, the text of `stream` messages up to a
`flush` is one call, spoken while it is written; the connection lasts until `stop`, or 300 s of
silence.

Reference: https://docs.jambonz.org/guides/features/custom-tts-providers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.api import HttpApi, post, socket
from dlpo_serving.protocols.http.dialects import Dialect, Message, text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts
from dlpo_serving.request import PAUSES

USUAL_RATE = "16000"  # Hz, on the WebSocket


def read_message(message: Mapping[str, Any]) -> SpeechBody:
    """What a POST asks for: MP3, which jambonz caches.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    return read_speech_fields(
        {
            "input": text_of("text", message.get("text")),
            "voice": _voice(message.get("voice")),
            "language": message.get("language"),
            "ssml": message.get("type") == "ssml",
            "response_format": "mp3",
            **{name: message.get(name) for name in (*PAUSES, "first_audio_ms")},
        }
    )


def read_query(query: Mapping[str, str]) -> SpeechBody:
    """How the texts of a WebSocket are spoken: samples at the rate of the telephone call.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    rate = query.get("sampleRate", USUAL_RATE)
    if not (rate.isdecimal() and len(rate) < 10):
        raise wrong_value("sampleRate", rate, "a whole number of Hz")
    return read_speech_fields(
        {
            "input": "",
            "voice": _voice(query.get("voice")),
            "language": query.get("language"),
            "response_format": "pcm",
            "sample_rate": int(rate),
        }
    )


def _voice(name: object) -> object:
    """The voice without the identifiers of the call that may follow it: `heart;callSid=...`."""
    return name.partition(";")[0] if isinstance(name, str) else name


class JambonzDialect(Dialect):
    """What the server sends; see `_read` for what the client does."""

    def connected(self, body: SpeechBody) -> Message:
        """The first message of a connection; jambonz sends text once it has come."""
        data = {"sample_rate": body.sample_rate_hz, "base64_encoding": False}
        return {"type": "connect", "data": data}

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        return []

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message | bytes]:
        return [chunk.audio] if chunk.audio else []

    def done(self, speech: AudioStream) -> Sequence[Message]:
        return []

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        return [{"type": "error", "error": reply.message}]


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    body = read_message(await answers.body_of(request))
    return await answers.answer(request, body, audio_alone, live=True)


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    body, dialect = read_query(request.query), JambonzDialect()
    end = "its last audio"
    async with successive_texts(sockets, request, dialect, body, "jambonz", end) as texts:
        await texts.reply.send(dialect.connected(body))
        await _read(texts)
    return texts.reply.response


async def _read(texts: SuccessiveTexts) -> None:
    """Follow the client's messages to `stop`, which drops what was not sent yet."""
    while True:
        message = await texts.inbox.next(IDLE_S, texts.is_speaking)
        match message:
            case {"type": "stream", "text": str(text)} if not (text.strip() or texts.is_open):
                texts.count()
            case {"type": "stream"}:
                # jambonz cuts between words, and the blank may be lost.
                texts.write(text_of("text", message.get("text")) + " ")
            case {"type": "flush"}:
                texts.count()
                texts.end()
            case {"type": "clear"}:
                texts.count()
                await texts.clear()
            case {"type": "keepalive"}:
                texts.count()
            case {"type": "stop"}:
                return await texts.clear()
            case _:
                known = "stream, flush, clear, keepalive or stop"
                raise wrong_value("type", message.get("type"), known)


API = HttpApi(
    name="jambonz",
    page="http.md#cartesia-deepgram-kokoro-fastapi-jambonz-vapi",
    uses="its calls, streamed or whole",
    pieces="yes",
    interruption="`clear`, `stop`",
    names={"input": "text", "sample_rate": "sampleRate", "sample_rate_hz": "sampleRate"},
    routes=[
        post("/v1/jambonz", _speak, "jambonz's custom speech: a text in, audio out"),
        socket("/v1/jambonz", _converse, "The same for text in pieces"),
    ],
)
