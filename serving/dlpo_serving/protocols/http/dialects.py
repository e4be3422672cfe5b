"""WebSocket message formats: our own, and what other APIs derive from it.

A dialect turns a client's messages into pieces of text, and a call's audio into messages.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dlpo.text.common.ssml import is_ssml
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.captions import FORMATS
from dlpo_serving.errors import wrong_value
from dlpo_serving.further_text import Flush, TextPieces
from dlpo_serving.protocols.http.replies import DlpoEvents
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import ErrorReply

AUDIO = ("binary", "base64")
Message = Mapping[str, Any]
Piece = str | Flush | None
"""a piece of a text; None ends it"""


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

    def __init__(self, strict: bool = False) -> None:
        self._strict = strict
        self._binary = True
        self.keep_open = False
        """the connection stays open for another utterance"""

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        """The client's first message: what it asks for, and any text that came with it."""
        fields = {name: value for name, value in message.items() if value is not None}
        if (kind := fields.pop("type", None)) != "begin":
            raise wrong_value("type", kind, "begin first")
        audio = fields.pop("audio", AUDIO[0])
        if audio not in AUDIO:
            raise wrong_value("audio", audio, " or ".join(AUDIO))
        self._binary = audio == AUDIO[0]
        if not isinstance(keep_open := fields.pop("keep_open", False), bool):
            raise wrong_value("keep_open", keep_open, "true or false")
        self.keep_open = keep_open
        fields.setdefault("response_format", "pcm")
        if str(wanted := fields["response_format"]).lower() in FORMATS:
            raise wrong_value(
                "response_format", wanted, "audio; POST /v1/audio/speech has captions"
            )
        text = text_of("input", fields.pop("input", ""))
        unread = ("stream_format",) if fields.pop("stream_format", None) else ()
        if fields.get("ssml") or is_ssml(text):  # a document comes as a whole
            return read_speech_fields({**fields, "input": text}, self._strict), [None]
        body = read_speech_fields({**fields, "input": ""}, self._strict)
        return replace(body, ignored=(*body.ignored, *unread)), [text] if text else []

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
        raise wrong_value("type", message.get("type"), "text, flush, end or cancel")

    def put(self, pieces: TextPieces, piece: Piece) -> None:
        """Add a piece to the text of an utterance, within what a text may have."""
        if pieces.put(piece) and isinstance(piece, str):
            self.wrote(piece)

    def wrote(self, text: str) -> None:
        """Note text that will be spoken, for its times."""

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


def text_of(name: str, value: object) -> str:
    """The value of a field that must be a string; raises RequestError otherwise."""
    if not isinstance(value, str):
        raise wrong_value(name, value, "a string")
    return value


def object_of(message: Message, name: str) -> Message:
    """A field that is an object, empty if absent; raises RequestError otherwise."""
    value = message.get(name) or {}
    if not isinstance(value, dict):
        raise wrong_value(name, value, "an object")
    return value


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and value >= 0):
        return value
    raise wrong_value("played_s", value, "0 or more")
