"""The messages of Deepgram's WebSocket: audio is binary, all else JSON."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.protocols.deepgram.requests import NAMES
from dlpo_serving.protocols.http.dialects import Dialect, Message
from dlpo_serving.protocols.http.statuses import ErrorReply


class DeepgramDialect(Dialect):
    """What the server sends; see `server` for what the client does."""

    names = NAMES

    def __init__(self, request: web.Request) -> None:
        super().__init__(strict=False)
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
