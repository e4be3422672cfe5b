"""The messages of jambonz's WebSocket: audio is binary, all else JSON."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.protocols.http.dialects import Dialect, Message
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.jambonz.requests import NAMES


class JambonzDialect(Dialect):
    """What the server sends; see `server` for what the client does."""

    names = NAMES

    def __init__(self) -> None:
        super().__init__(strict=False)

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
