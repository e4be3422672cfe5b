"""Audio -> the events of OpenAI's Realtime API."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.protocols.http.dialects import Dialect, Message
from dlpo_serving.protocols.http.speech_body import MODELS, SpeechBody
from dlpo_serving.protocols.http.statuses import BodyError, ErrorReply, UnknownModelError
from dlpo_serving.protocols.openai_realtime.requests import (
    USUAL_OUTPUT,
    paragraphs,
    read_output,
    spoken,
)


class RealtimeDialect(Dialect):
    """The events of OpenAI's Realtime API, for text in and audio out, one response after another.

    There is no language model here: a response speaks the items since the last one verbatim.

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
        self.output = USUAL_OUTPUT
        """settings of the session's audio"""
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
        return _event(f"session.{happened}", session={**session, "audio": {"output": self.output}})

    def answer(self, message: Message) -> list[Message]:
        """Replies to a message that concerns no response.

        Raises:
            RequestError: it is unknown or not supported.
        """
        match message:
            case {"type": "conversation.item.create", "item": dict(item)}:
                waiting = paragraphs([self._waiting, spoken(item)])
                if len(waiting) > self._limit:
                    what = f"is more than the {self._limit} characters that may wait"
                    raise RequestError(FieldViolation("item", what))
                self._waiting = waiting
                kept = {**item, "id": item.get("id") or _new_id("item"), "status": "completed"}
                return [_event(f"conversation.item.{one}", item=kept) for one in ("added", "done")]
            case {"type": "response.cancel"}:
                raise BodyError("no response is in progress", 400, "response_cancel_not_active")
        known = "session.update, conversation.item.create or response.create, with its fields"
        raise wrong_value("type", message.get("type"), known)

    def respond(self, message: Message) -> tuple[SpeechBody, Message]:
        """Start a response: what it speaks (own input or waiting items), and its first event."""
        if self.speaking:
            what = "a response is in progress; wait for its response.done, or cancel it"
            raise BodyError(what, 400, "conversation_already_has_active_response")
        asked = message.get("response")
        asked = asked if isinstance(asked, dict) else {}
        own = asked.get("input")
        text = paragraphs(map(spoken, own)) if isinstance(own, list) else self._waiting
        if not text:
            raise RequestError(FieldViolation("response", "has no text to speak; add an item"))
        output, body = read_output(asked, self.output, text)
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
