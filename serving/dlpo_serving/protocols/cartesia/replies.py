"""Audio and times -> Cartesia's events, on a WebSocket or as server-sent events."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from dlpo_serving.alignment import Timed, TimedWords
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.further_text import Flush
from dlpo_serving.protocols.cartesia.requests import read_message
from dlpo_serving.protocols.http.dialects import (
    Cancel,
    ContextDialect,
    Message,
    Piece,
    text_of,
)
from dlpo_serving.protocols.http.replies import Delivery
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import ErrorReply

PARTIAL, COMPLETE = 206, 200  # status codes of events


class CartesiaEvents:
    """The events of one utterance."""

    def __init__(self, asked: Mapping[str, Any], text: str = "") -> None:
        self._words = asked.get("add_timestamps") is True
        self._phonemes = asked.get("add_phoneme_timestamps") is True
        self.text = TimedWords(text)
        self._last_s = time.monotonic()
        self._flush_id = 0

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> list[Message]:
        """Audio, and the words and phonemes that are complete with it."""
        events: list[Message] = []
        if chunk.audio:
            before_s = self._last_s
            self._last_s = time.monotonic()
            audio = b64encode(chunk.audio).decode()
            step_ms = round(1000 * (self._last_s - before_s), 3)
            events.append(_event("chunk", data=audio, step_time=step_ms))
        rate_hz = speech.format.sample_rate_hz
        events += self._timestamps(self.text.take(chunk), rate_hz)
        phonemes = [(p.phoneme, p.start, p.stop) for word in chunk.words for p in word.phonemes]
        if phonemes and self._phonemes:
            times = _times("phonemes", phonemes, rate_hz)
            events.append(_event("phoneme_timestamps", phoneme_timestamps=times))
        for _ in range(chunk.flushes):
            self._flush_id += 1
            events.append(_event("flush_done", flush_done=True, flush_id=self._flush_id))
        return events

    def done(self, speech: AudioStream) -> list[Message]:
        """The last words, and the end."""
        rest = self.text.rest(speech.samples)
        ended = {"type": "done", "done": True, "status_code": COMPLETE}
        return [*self._timestamps(rest, speech.format.sample_rate_hz), ended]

    def _timestamps(self, words: list[Timed], rate_hz: int) -> Iterator[Message]:
        if words and self._words:
            yield _event("timestamps", word_timestamps=_times("words", words, rate_hz))


def _event(kind: str, **fields: Any) -> Message:
    return {"type": kind, **fields, "done": False, "status_code": PARTIAL}


def _times(name: str, timed: list[Timed], rate_hz: int) -> dict[str, list[Any]]:
    """Times in seconds of the whole audio."""
    starts = [round(start / rate_hz, 6) for _, start, _ in timed]
    ends = [round(end / rate_hz, 6) for _, _, end in timed]
    return {name: [written for written, _, _ in timed], "start": starts, "end": ends}


def error_event(reply: ErrorReply) -> Message:
    """What went wrong; it ends the utterance."""
    return {
        "type": "error",
        "title": reply.kind,
        "message": reply.message,
        "error": reply.message,
        "error_code": reply.code or reply.kind,
        "done": True,
        "status_code": reply.status,
    }


class CartesiaSse(Delivery):
    """`/tts/sse`: the events as server-sent ones."""

    def __init__(self, asked: Mapping[str, Any], body: SpeechBody, speech: AudioStream) -> None:
        super().__init__(speech, "text/event-stream")
        self._events = CartesiaEvents(asked, body.request.text)

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return b"".join(map(_sent, self._events.chunk(self.speech, chunk)))

    def end(self, speech: AudioStream) -> bytes:
        return b"".join(map(_sent, self._events.done(speech)))

    def error(self, reply: ErrorReply) -> bytes:
        return _sent(error_event(reply))


def _sent(event: Message) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


class CartesiaDialect(ContextDialect):
    """The messages of `/tts/websocket`: contexts, each an utterance whose text comes in pieces."""

    def __init__(self, request: web.Request) -> None:
        super().__init__()
        self._events = CartesiaEvents({})

    def opens(self, message: Message) -> bool:
        return "transcript" in message and message.get("cancel") is not True

    def named(self, name: str) -> Message:
        return {"context_id": name}

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        self._events = CartesiaEvents(message)
        return read_message(message, ""), self._written(message)

    def pieces(self, message: Message) -> Sequence[Piece | Cancel]:
        return [Cancel()] if message.get("cancel") is True else self._written(message)

    def _written(self, message: Message) -> list[Piece]:
        text = text_of("transcript", message.get("transcript") or "")
        pieces: list[Piece] = [text] if text else []
        if message.get("flush") is True:
            pieces.append(Flush())
        return pieces if message.get("continue") is True else [*pieces, None]

    def wrote(self, text: str) -> None:
        self._events.text.write(text)

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        speech.tells_flushes = True
        return []

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message]:
        return self._events.chunk(speech, chunk)

    def done(self, speech: AudioStream) -> Sequence[Message]:
        return self._events.done(speech)

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        return [error_event(reply)]
