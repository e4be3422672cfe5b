"""NVIDIA Riva's realtime API: text in and audio out on a WebSocket.

It shares `/v1/realtime` with OpenAI's: Riva's clients say what they intend. Text between two
commits is one call, spoken while it is written. `done` ends the conversation: the last event says
so.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.http.api import HttpApi, authorization, get, post, socket
from dlpo_serving.protocols.http.dialects import Dialect, Message, object_of, text_of
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import SynthesizeSpeechRequest
from dlpo_serving.protocols.riva.requests import read_call

FORMATS = {
    "LINEAR_PCM": Encoding.PCM_S16,
    "OGGOPUS": Encoding.OGG_OPUS,
    "OGG_OPUS": Encoding.OGG_OPUS,
}
USUAL_RATE_HZ = 22_050
MOST_HZ = 1_000_000  # that a message may name; what the server takes is checked later


def read_session(session: Mapping[str, Any], voices: Collection[str]) -> SpeechBody:
    """How the texts of a session are spoken.

    Raises:
        RequestError: a field is invalid, or asks for what dlpo lacks.
    """
    spoken = object_of(session, "input_text_synthesis")
    output = object_of(session, "output_audio_params")
    if object_of(session, "zero_shot_config").get("audio_prompt_bytes"):
        what = "asks to imitate a recording; dlpo's voices are trained: leave it out"
        raise RequestError(FieldViolation("zero_shot_config", what))
    name = text_of("audio_format", output.get("audio_format") or "LINEAR_PCM")
    if name not in FORMATS:
        raise wrong_value("audio_format", name, ", ".join(FORMATS))
    rate_hz = output.get("sample_rate_hz") or USUAL_RATE_HZ
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int) or not 0 < rate_hz < MOST_HZ:
        raise wrong_value("sample_rate_hz", rate_hz, "a whole number of Hz")
    settings = object_of(session, "custom_configuration")
    asked = SynthesizeSpeechRequest(
        language_code=text_of("language_code", spoken.get("language_code") or ""),
        voice_name=text_of("voice_name", spoken.get("voice_name") or ""),
        sample_rate_hz=rate_hz,
        custom_dictionary=text_of("custom_dictionary", session.get("custom_dictionary") or ""),
        custom_configuration={key: str(value) for key, value in settings.items()},
    )
    call = read_call(asked, voices, None, streamed=True)
    return SpeechBody(call.request, call.voice, FORMATS[name], rate_hz, "audio", None)


def session_of(body: SpeechBody, voice: str, language: str, id: str) -> dict[str, Any]:
    """The session as a client gets it."""
    name = next(name for name, encoding in FORMATS.items() if encoding is body.encoding)
    return {
        "id": id,
        "object": "realtime.synthesize_session",
        "input_text_synthesis": {
            "language_code": body.request.language or language,
            "voice_name": body.voice or voice,
        },
        "output_audio_params": {
            "sample_rate_hz": body.sample_rate_hz,
            "num_channels": 1,
            "audio_format": name,
        },
        "custom_dictionary": "",
        "client_secret": None,
    }


class RivaEvents(Dialect):
    """What the server sends.

    Args:
        is_last: whether the text that has just been spoken is the last one.
    """

    def __init__(self, is_last: Callable[[], bool]) -> None:
        super().__init__()
        self._is_last = is_last
        self.ended = False
        """the client knows that nothing more comes"""

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        return []

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message]:
        if not chunk.audio:
            return []
        return [event("conversation.item.speech.data", audio=b64encode(chunk.audio).decode())]

    def done(self, speech: AudioStream) -> Sequence[Message]:
        return [self.completed(speech.processed_text)]

    def completed(self, processed_text: str = "") -> Message:
        """A text has been spoken, or the client has ended the last one."""
        self.ended = self._is_last()
        kind, metadata = "conversation.item.speech.completed", {"processed_text": processed_text}
        return event(kind, is_last_result=self.ended, synthesis_metadata=metadata)

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        return [event("error", **reply.json())]


def event(kind: str, **fields: Any) -> Message:
    """An event with an id of its own."""
    return {"event_id": f"event_{uuid4()}", "type": kind, **fields}


class RivaConversation:
    """The messages of one connection."""

    def __init__(self, sockets: SpeechSockets) -> None:
        self._sockets = sockets
        self._voices = sockets.service.loaded_voices()
        self._id = f"sess_{uuid4()}"
        self._texts: SuccessiveTexts | None = None
        self._is_over = False
        self.events = RivaEvents(self._is_last)

    def read(self, session: Mapping[str, Any]) -> SpeechBody:
        """How a session's texts are spoken; see `read_session` for errors."""
        return read_session(session, [one.voice for one in self._voices])

    def session(self, body: SpeechBody) -> Message:
        """The session as the client gets it."""
        return session_of(body, self._voices[0].voice, self._voices[0].language, self._id)

    def _is_last(self) -> bool:
        return self._is_over and not (self._texts and self._texts.left)

    async def follow(self, texts: SuccessiveTexts) -> None:
        """Follow the client's messages until it is done, and speak what is still open."""
        self._texts = texts
        reply = texts.reply
        await reply.send(event("conversation.created", conversation={"id": self._id}))
        while not self._is_over:
            message = await texts.inbox.next(IDLE_S, texts.is_speaking)
            match message:
                case {"type": "synthesize_session.update", "session": dict(asked)}:
                    texts.count()
                    body = self.read(asked)
                    self._sockets.check(body)
                    texts.body = body
                    session = self.session(body)
                    await reply.send(event("synthesize_session.updated", session=session))
                case {"type": "input_text.append"}:
                    texts.write(text_of("text", message.get("text")))
                case {"type": "input_text.commit"}:
                    texts.count()
                    texts.end()
                case {"type": "input_text.done"}:
                    self._is_over = True
                case _:
                    known = "synthesize_session.update, input_text.append, .commit or .done"
                    raise wrong_value("type", message.get("type"), known)
        await texts.finish()
        if not self.events.ended:
            await reply.send(self.events.completed())


async def _realtime(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    conversation = RivaConversation(sockets)
    body = conversation.read({})
    end = "its completed event"
    opened = successive_texts(sockets, request, conversation.events, body, "speech", end)
    async with opened as texts:
        await conversation.follow(texts)
    return texts.reply.response


async def _session(sockets: SpeechSockets, request: web.Request) -> web.Response:
    """A session with what applies if a client changes nothing; nothing is kept of it."""
    conversation = RivaConversation(sockets)
    session = conversation.session(conversation.read({}))
    secret = None
    if current_call().caller:  # its own key opens the WebSocket, too
        secret = {"value": authorization(request)[0].removeprefix("Bearer ")}
    headers = {"Cache-Control": "no-store"}
    return web.json_response({**session, "client_secret": secret}, headers=headers)


async def _voices(sockets: SpeechSockets, request: web.Request) -> web.Response:
    voices: dict[str, dict[str, list[str]]] = {}
    for one in sockets.service.voices:
        voices.setdefault(one.language, {"voices": []})["voices"].append(one.voice)
    return web.json_response(voices)


API = HttpApi(
    name="Riva realtime",
    page="riva.md#realtime",
    uses="NVIDIA's WebSocket client",
    pieces="yes: a commit ends a text",
    keys=KeyPlaces(subprotocol="realtime-token."),
    names={
        "input": "text", "voice": "voice_name", "language": "language_code",
        "encoding": "audio_format", "response_format": "audio_format",
        "sample_rate": "sample_rate_hz",
    },
    routes=[
        socket("/v1/realtime", _realtime, "Events of Riva's realtime API", intent="synthesize"),
        post("/v1/realtime/synthesis_sessions", _session, "A session's defaults"),
        get("/v1/audio/list_voices", _voices, "Voices by language"),
    ],
)  # fmt: skip
