"""Audio -> the events of Riva's realtime API."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.protocols.http.dialects import Dialect, Message
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.riva_realtime.requests import NAMES


class RivaEvents(Dialect):
    """What the server sends.

    Args:
        is_last: whether the text that has just been spoken is the last one.
    """

    names = NAMES

    def __init__(self, is_last: Callable[[], bool]) -> None:
        super().__init__(strict=False)
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
