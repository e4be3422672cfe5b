"""Deepgram's API: `/v1/speak` over HTTP and as a WebSocket.

On the WebSocket, the text of `Speak` messages up to a `Flush` is one call. `Flushed` follows its
audio; the next call begins when it has been spoken. `Clear` drops what was not sent yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import NAMESPACE_URL, uuid4, uuid5

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo.version import __version__
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.http.api import HttpApi, post, socket
from dlpo_serving.protocols.http.dialects import Dialect, Message, text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts
from dlpo_serving.request import PAUSES

ENCODINGS = {
    "linear16": "pcm",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "mp3": "mp3",
    "opus": "opus",
    "flac": "flac",
    "aac": "aac",
}
HELD_IN_WAV = "linear16"  # unless the container is none
STOCK_VOICE = re.compile(r"(aura(-2)?|flux)-[a-z]{1,30}-[a-z]{2}")  # means our default
PAGE = "http.md#cartesia-deepgram-kokoro-fastapi-jambonz-vapi"
NAMES = {
    "input": "text", "voice": "model", "response_format": "encoding",
    "sample_rate_hz": "sample_rate",
}  # fmt: skip
NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")


def read_query(request: web.Request, text: str, default_encoding: str) -> SpeechBody:
    """What a query asks for; a WebSocket's audio has no container.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    query = request.query
    model = query.get("model", "")
    encoding = query.get("encoding", default_encoding).lower()
    if encoding not in ENCODINGS:
        raise wrong_value("encoding", encoding, ", ".join(ENCODINGS))
    container = query.get("container", "none" if request.method == "GET" else "wav").lower()
    in_wav = encoding == HELD_IN_WAV and container == "wav"
    rate, seed = _number(request, "sample_rate"), _number(request, "seed")
    fields = {
        "input": text,
        "voice": "" if STOCK_VOICE.fullmatch(model.lower()) else model,
        "response_format": "wav" if in_wav else ENCODINGS[encoding],
        "sample_rate": rate and int(rate),
        "speed": _number(request, "speed"),
        "seed": seed and int(seed),
        **{name: _number(request, name) for name in PAUSES},
    }
    return read_speech_fields(fields)


def _number(request: web.Request, name: str) -> float | None:
    value = request.query.get(name)
    if value is None:
        return None
    if not NUMBER.fullmatch(value):
        raise wrong_value(name, value, "a number")
    return float(value)


class DeepgramDialect(Dialect):
    """What the server sends; see `_read` for what the client does."""

    def __init__(self, request: web.Request) -> None:
        super().__init__()
        self._model = request.query.get("model", "dlpo")
        self._flushed = -1  # sequence number of the last flush

    def metadata(self) -> Message:
        """The first message of a connection."""
        return {
            "type": "Metadata",
            "request_id": str(uuid4()),
            "model_name": self._model,
            "model_version": "1",
            "model_uuid": str(uuid4()),
        }

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        if not warnings:
            return []
        description = "; ".join(warnings)
        return [{"type": "Warning", "description": description, "code": "IGNORED"}]

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message | bytes]:
        return [chunk.audio] if chunk.audio else []

    def done(self, speech: AudioStream) -> Sequence[Message]:
        return [self.ended("Flushed")]

    def ended(self, how: str) -> Message:
        """Everything before a Flush has been sent, or a Clear has taken effect."""
        self._flushed += 1
        return {"type": how, "sequence_id": self._flushed}

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        code = reply.code or reply.kind
        return [{"type": "Error", "description": reply.message, "code": code}]


async def speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    """Answer a text with its audio."""
    message = await answers.body_of(request)
    body = read_query(request, text_of("text", message.get("text")), "mp3")
    return await answers.answer(request, body, audio_alone)


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    body, dialect = read_query(request, "", "linear16"), DeepgramDialect(request)
    async with successive_texts(sockets, request, dialect, body, "speak", "a Flushed") as texts:
        await texts.reply.send(dialect.metadata())
        await _read(dialect, texts)
    return texts.reply.response


async def _read(dialect: DeepgramDialect, texts: SuccessiveTexts) -> None:
    """Follow the client's messages to `Close`, and speak what is still open."""
    while True:
        message = await texts.inbox.next(IDLE_S, texts.is_speaking)
        match message:
            case {"type": "Speak"}:
                texts.write(text_of("text", message.get("text")))
            case {"type": "Flush"} if texts.is_speaking():
                texts.end()
            case {"type": "Flush"}:
                texts.count()
                await texts.reply.send(dialect.ended("Flushed"))
            case {"type": "Clear"}:
                texts.count()
                await texts.clear()
                await texts.reply.send(dialect.ended("Cleared"))
            case {"type": "Close"}:
                return await texts.finish()
            case _:
                raise wrong_value("type", message.get("type"), "Speak, Flush, Clear or Close")


def models_listed(voices: Iterable[Manifest]) -> dict[str, object]:
    """The voices, which are models there."""
    return {"stt": [], "tts": [_model(voice) for voice in voices]}


def _model(voice: Manifest) -> dict[str, object]:
    return {
        "name": voice.voice,
        "canonical_name": voice.voice,
        "architecture": "dlpo",
        "languages": [voice.language],
        "version": __version__,
        "uuid": str(uuid5(NAMESPACE_URL, f"dlpo:{voice.voice}")),
    }


API = HttpApi(
    name="Deepgram",
    page=PAGE,
    uses="telephony stacks",
    live="WebSocket, samples without `container`",
    pieces="yes",
    interruption="`Clear`",
    keys=KeyPlaces(scheme="Token"),
    names=NAMES,
    models=models_listed,
    routes=[
        post("/v1/speak", speak, "Deepgram's API: a text in, audio out"),
        socket("/v1/speak", _converse, "The same for text in pieces"),
    ],
)
