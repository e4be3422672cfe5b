"""WebSocket message formats: our own, and OpenAI's Realtime API.

A dialect turns a client's messages into pieces of text, and a call's audio into messages.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web

from dlpo.text.common.ssml import is_ssml
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.captions import FORMATS
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.further_text import Flush
from dlpo_serving.protocols.http.replies import DlpoEvents
from dlpo_serving.protocols.http.speech_body import MODELS, SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import (
    OPENAI,
    BodyError,
    ErrorReply,
    Names,
    UnknownModelError,
)
from dlpo_serving.request import PAUSES

AUDIO = ("binary", "base64")
REALTIME_FORMATS = {  # -> ours, and the default rate in Hz
    "audio/pcm": ("pcm", 24_000), "audio/pcmu": ("mulaw", 8_000), "audio/pcma": ("alaw", 8_000)
}  # fmt: skip
ELEVENLABS_KEY = "xi-api-key"  # the header in which its clients send a key
CARTESIA_KEY = "X-API-Key"
DEEPGRAM_SCHEME = re.compile(r"^[Tt]oken ")  # its clients send in place of "Bearer"
RIVA_KEY = "realtime-token."  # the same of Riva's clients
OPENAI_KEY = "openai-insecure-api-key."  # prefix of a key among a browser's subprotocols
Message = Mapping[str, Any]
Piece = str | Flush | None
"""a piece of a text; None ends it"""


def offered_protocols(request: web.Request) -> list[str]:
    """Subprotocols that a WebSocket client offers."""
    return re.findall(r"[^,\s]+", request.headers.get("Sec-WebSocket-Protocol", ""))


def authorization(request: web.Request) -> list[str]:
    """`Authorization` headers, or equivalents for keys sent in the ways of other APIs."""
    keys = request.headers.getall(ELEVENLABS_KEY, []) + request.headers.getall(CARTESIA_KEY, [])
    for prefix in (OPENAI_KEY, RIVA_KEY):
        offered = [one for one in offered_protocols(request) if one.startswith(prefix)]
        keys += [one.removeprefix(prefix) for one in offered]
    given = request.headers.getall("Authorization", [f"Bearer {key}" for key in keys])
    return [DEEPGRAM_SCHEME.sub("Bearer ", one) for one in given]


@dataclass(frozen=True, slots=True)
class Cancel:
    """The listener has interrupted the speech."""

    played_s: float | None = None
    """seconds of audio that were played; None: everything sent"""


class Dialect:
    """Messages in both directions; here our own, `{"type": "begin" | "text" | ...}`.

    Args:
        strict: refuse unknown fields.
    """

    paced = False
    """audio is sent at the pace of playback, see `pacing`"""
    names: Names = OPENAI

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._binary = True
        self.keep_open = False
        """the connection stays open for another utterance"""

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        """The client's first message: what it asks for, and any text that came with it."""
        fields = {name: value for name, value in message.items() if value is not None}
        if (kind := fields.pop("type", None)) != "begin":
            raise _wrong("type", kind, "begin first")
        audio = fields.pop("audio", AUDIO[0])
        if audio not in AUDIO:
            raise _wrong("audio", audio, " or ".join(AUDIO))
        self._binary = audio == AUDIO[0]
        if not isinstance(keep_open := fields.pop("keep_open", False), bool):
            raise _wrong("keep_open", keep_open, "true or false")
        self.keep_open = keep_open
        fields.setdefault("response_format", "pcm")
        if str(wanted := fields["response_format"]).lower() in FORMATS:
            raise _wrong("response_format", wanted, "audio; POST /v1/audio/speech has captions")
        text = text_of("input", fields.pop("input", ""))
        if fields.get("ssml") or is_ssml(text):  # a document comes as a whole
            return read_speech_fields({**fields, "input": text}, self._strict), [None]
        body = read_speech_fields({**fields, "input": ""}, self._strict)
        return body, [text] if text else []

    def pieces(self, message: Message) -> Sequence[Piece | Cancel]:
        """Read a later message from the client."""
        match message:
            case {"type": "text"}:
                return [text_of("text", message.get("text"))]
            case {"type": "flush"}:
                return [Flush()]
            case {"type": "end"}:
                return [None]
            case {"type": "cancel"}:
                return [Cancel(_seconds(message.get("played_s")))]
        raise _wrong("type", message.get("type"), "text, flush, end or cancel")

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        """Messages before the first chunk."""
        info = DlpoEvents(speech).info()
        return [{**info, "warnings": list(warnings)} if warnings else info]

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message | bytes]:
        """Messages for a chunk; bytes go into a binary message."""
        event = DlpoEvents(speech).audio(chunk)
        if not self._binary:
            return [{**event, "audio": b64encode(chunk.audio).decode()}]
        message = {**event, "bytes": len(chunk.audio)}
        return [message, chunk.audio] if chunk.audio else [message]

    def done(self, speech: AudioStream) -> Sequence[Message]:
        """Messages after the last chunk."""
        events = DlpoEvents(speech)
        return [{**events.done(), **events.text()}]

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        """Messages that report an error, which ends the connection or one of its calls."""
        return [{"type": "error", **reply.json()}]


class ContextDialect(Dialect):
    """Messages of an API in which each names its utterance in `context_id`."""

    def opens(self, message: Message) -> bool:
        """Whether a message for no utterance begins one."""
        return bool(message.get("text"))

    def named(self, name: str) -> Message:
        """What every reply has that belongs to the utterance of this name."""
        return {"contextId": name}


class RealtimeDialect(Dialect):
    """The events of OpenAI's Realtime API, for text in and audio out, one response after another.

    There is no language model here: a response speaks the items since the last one verbatim. Theirs
    has no fields for the language and the pauses of speech; ours are beside `voice` and `speed`.

    Args:
        request: its query may name a model, one of ours or a realtime one of theirs.
        limit: maximum number of characters waiting for a response.

    Raises:
        UnknownModelError: the model is none of these.

    Reference: https://platform.openai.com/docs/api-reference/realtime-server-events
    """

    def __init__(self, request: web.Request, limit: int) -> None:
        self._model = request.query.get("model", MODELS[0])
        if self._model not in MODELS and "realtime" not in self._model:
            raise UnknownModelError(self._model, MODELS)
        self._output: Message = {"format": {"type": "audio/pcm"}, "voice": None, "speed": 1.0}
        self._limit = limit
        self._waiting = ""
        self._response: dict[str, Any] = {}
        self._item: dict[str, Any] = {}
        self._text = ""  # of the response
        self._said = 0  # how much of it was spoken
        self.speaking = False
        """a response is in progress"""

    def session(self, happened: str) -> Message:
        """The event `session.created` or `session.updated`."""
        session = {"type": "realtime", "model": self._model, "output_modalities": ["audio"]}
        return _event(f"session.{happened}", session={**session, "audio": {"output": self._output}})

    def answer(self, message: Message) -> list[Message]:
        """Replies to a message that concerns no response.

        Raises:
            RequestError: it is unknown or not supported.
        """
        match message:
            case {"type": "session.update", "session": dict(settings)}:
                self._output, _ = self._read(settings, "")
                return [self.session("updated")]
            case {"type": "conversation.item.create", "item": dict(item)}:
                waiting = _paragraphs([self._waiting, _spoken(item)])
                if len(waiting) > self._limit:
                    what = f"is more than the {self._limit} characters that may wait"
                    raise RequestError(FieldViolation("item", what))
                self._waiting = waiting
                kept = {**item, "id": item.get("id") or _new_id("item"), "status": "completed"}
                return [_event(f"conversation.item.{one}", item=kept) for one in ("added", "done")]
            case {"type": "response.cancel"}:
                raise BodyError("no response is in progress", 400, "response_cancel_not_active")
        known = "session.update, conversation.item.create or response.create, with its fields"
        raise _wrong("type", message.get("type"), known)

    def respond(self, message: Message) -> tuple[SpeechBody, Message]:
        """Start a response: what it speaks (own input or waiting items), and its first event."""
        if self.speaking:
            what = "a response is in progress; wait for its response.done, or cancel it"
            raise BodyError(what, 400, "conversation_already_has_active_response")
        asked = message.get("response")
        asked = asked if isinstance(asked, dict) else {}
        own = asked.get("input")
        text = _paragraphs(map(_spoken, own)) if isinstance(own, list) else self._waiting
        if not text:
            raise RequestError(FieldViolation("response", "has no text to speak; add an item"))
        output, body = self._read(asked, text)
        self._waiting = self._waiting if isinstance(own, list) else ""
        self.speaking = True
        self._text = text
        self._said = 0
        self._item = {}
        self._response = {"id": _new_id("resp"), "object": "realtime.response", "output": []}
        self._response |= {"audio": {"output": output}, "metadata": asked.get("metadata")}
        return body, self._state("created", "in_progress")

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        kind = {"object": "realtime.item", "type": "message", "role": "assistant"}
        self._item = {"id": _new_id("item"), **kind, "status": "in_progress", "content": []}
        self._response |= {"output": [self._item], "warnings": warnings}
        return [
            self._part("output_item.added", item=self._item),
            _event("conversation.item.added", item=self._item),
            self._part("content_part.added", part={"type": "audio", "transcript": ""}),
        ]

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message]:
        audio = b64encode(chunk.audio).decode()
        messages = [self._part("output_audio.delta", delta=audio)] if audio else []
        return messages + self._transcript(chunk.words[-1].text_end if chunk.words else 0)

    def done(self, speech: AudioStream) -> Sequence[Message]:
        self._response["warnings"] = [*self._response["warnings"], *speech.warnings]
        return self._transcript(len(self._text)) + self.ended("completed")

    def ended(self, status: str, **details: Any) -> list[Message]:
        """Events that end the response: completed, cancelled or failed."""
        self.speaking = False
        self._response["status_details"] = {"type": status, **details}
        end = []
        if self._item:
            said = self._text[: self._said]
            self._item["status"] = status if status == "completed" else "incomplete"
            self._item["content"] = [{"type": "output_audio", "transcript": said}]
            end = [
                self._part("output_audio.done"),
                self._part("output_audio_transcript.done", transcript=said),
                self._part("content_part.done", part={"type": "audio", "transcript": said}),
                self._part("output_item.done", item=self._item),
                _event("conversation.item.done", item=self._item),
            ]
        return [*end, self._state("done", status)]

    def error(self, reply: ErrorReply, message: Message | None = None) -> Sequence[Message]:
        """See `Dialect`; if `message` was rejected, only that message has failed."""
        error = reply.json()["error"]
        if self.speaking and message is None:
            return self.ended("failed", error=error)
        return [_event("error", error={**error, "event_id": (message or {}).get("event_id")})]

    def _read(self, settings: Message, text: str) -> tuple[Message, SpeechBody]:
        """Read settings of a session or a response: its full output settings, and what to speak."""
        for name, only in (("tools", []), ("output_modalities", ["audio"])):
            if (value := settings.get(name) or only) != only:
                raise _wrong(name, value, str(only))
        output = dict(self._output)
        match settings:
            case {"audio": {"output": dict(given)}}:
                known = (*output, "language", *PAUSES)
                output |= {name: given[name] for name in known if given.get(name) is not None}
        match output["format"]:
            case {"type": str(name), **more} if name in REALTIME_FORMATS:
                encoding, rate_hz = REALTIME_FORMATS[name]
            case wrong:
                raise _wrong("format", wrong, f"a type of {', '.join(REALTIME_FORMATS)}")
        fields = {name: output.get(name) for name in ("voice", "speed", "language", *PAUSES)}
        fields |= {"response_format": encoding, "sample_rate": more.get("rate", rate_hz)}
        return output, read_speech_fields({**fields, "input": text})

    def _transcript(self, until: int) -> list[Message]:
        """The next part of the transcript, up to the character `until`."""
        delta = self._text[self._said : until]
        self._said += len(delta)
        return [self._part("output_audio_transcript.delta", delta=delta)] if delta else []

    def _state(self, happened: str, status: str) -> Message:
        return _event(f"response.{happened}", response={**self._response, "status": status})

    def _part(self, kind: str, **fields: Any) -> Message:
        """An event for the only part of the response's only item."""
        ids = {"response_id": self._response["id"], "item_id": self._item["id"]}
        return _event(f"response.{kind}", **ids, output_index=0, content_index=0, **fields)


def _event(kind: str, **fields: Any) -> Message:
    return {"type": kind, "event_id": _new_id("event"), **fields}


def _new_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex}"


def _paragraphs(texts: Iterable[str]) -> str:
    return "\n\n".join(filter(str.strip, texts))


def _spoken(item: object) -> str:
    """The text of a conversation item; empty for a system message."""
    match item:
        case {"type": "message", "role": "system"}:
            return ""
        case {"type": "message", "content": [{"text": str(text)}, *more]}:
            further = [_spoken({"type": "message", "content": [part]}) for part in more]
            return " ".join([text, *further])
    raise RequestError(FieldViolation("item", "expected a message whose content is text"))


def text_of(name: str, value: object) -> str:
    """The value of a field that must be a string; raises RequestError otherwise."""
    if not isinstance(value, str):
        raise _wrong(name, value, "a string")
    return value


def object_of(message: Message, name: str) -> Message:
    """A field that is an object, empty if absent; raises RequestError otherwise."""
    value = message.get(name) or {}
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    return value


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and value >= 0):
        return value
    raise _wrong("played_s", value, "0 or more")


def _wrong(name: str, value: object, expected: str) -> RequestError:
    given = "absent" if value is None else shortened(repr(value))
    return RequestError(FieldViolation(name, f"is {given}; expected {expected}"))
