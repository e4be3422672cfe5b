"""Audio with character timestamps -> ElevenLabs' JSON, in the body of a reply or in messages."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from dlpo_serving.alignment import BothAlignments, Timed
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.further_text import Flush
from dlpo_serving.protocols.elevenlabs.requests import SpeechQuery
from dlpo_serving.protocols.http.dialects import (
    ContextDialect,
    Dialect,
    Message,
    Piece,
    text_of,
)
from dlpo_serving.protocols.http.replies import TimedLines
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import ErrorReply


class TimedEvents(TimedLines):
    """Audio with the times of characters, from its start; see `TimedLines`."""

    def __init__(self, body: SpeechBody, speech: AudioStream, in_one: bool) -> None:
        super().__init__(speech, in_one)
        self._alignment = BothAlignments(body.request.text)

    def times(self, chunk: EncodedChunk) -> Sequence[list[Timed]]:
        return self._alignment.take(chunk)

    def rest(self) -> Sequence[list[Timed]]:
        return self._alignment.rest(self.speech.samples)

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return super().chunk(chunk) if chunk.audio or chunk.words else b""

    def message(self, audio: bytes, *times: list[Timed]) -> dict[str, Any]:
        own, spoken = times
        return {
            "audio_base64": b64encode(audio).decode(),
            "alignment": self._characters(own),
            "normalized_alignment": self._characters(spoken),
        }

    def _characters(self, timed: list[Timed]) -> dict[str, list[Any]] | None:
        if not timed:
            return None
        return {
            "characters": [character for character, _, _ in timed],
            "character_start_times_seconds": [self._seconds(begin) for _, begin, _ in timed],
            "character_end_times_seconds": [self._seconds(end) for _, _, end in timed],
        }

    def _seconds(self, samples: int) -> float:
        return round(samples / self.speech.format.sample_rate_hz, 6)


class ElevenLabsDialect(Dialect):
    """The messages of `stream-input`: text in pieces, audio in base64, alignments.

    Times count from the end of the message before that had an alignment, as their clients add them
    up. Its `xi_api_key` message field is ignored: keys belong in the header `xi-api-key`.

    Args:
        request: its path names a voice, its query the `output_format`, such as `pcm_24000`, and the
            `language_code` of the text.

    Raises:
        RequestError: the format is unknown.

    Reference: https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-stream-input
    """

    def __init__(self, request: web.Request) -> None:
        super().__init__()
        self._query = SpeechQuery(request)
        self._alignment = BothAlignments(by_chunk=True)
        self._own_ms = _Clock()
        self._spoken_ms = _Clock()
        self._ends_in_space = True

    def begin(self, message: Message) -> tuple[SpeechBody, Sequence[Piece]]:
        text = message.get("text")
        body = self._query.body(message, "")
        if isinstance(text, str) and text and not text.strip():
            return body, []
        return body, self.pieces(message)

    def pieces(self, message: Message) -> Sequence[Piece]:
        text = text_of("text", message.get("text"))
        if not text:
            return [None]
        return self._written(text, message)

    def wrote(self, text: str) -> None:
        self._alignment.own.write(text)
        self._ends_in_space = text[-1:].isspace()

    def _written(self, text: str, message: Message) -> list[Piece]:
        flush = message.get("flush") is True
        return [text, Flush()] if flush else [text]

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        return []

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message]:
        rate_hz = speech.format.sample_rate_hz
        return [self._message(chunk.audio, self._alignment.take(chunk), rate_hz)]

    def done(self, speech: AudioStream) -> Sequence[Message]:
        if not self._ends_in_space:  # their clients take a word for complete at the space after it
            self._alignment.own.write(" ")
        rest = self._alignment.rest(speech.samples)
        last = {"audio": None, "isFinal": True, "alignment": None, "normalizedAlignment": None}
        if not any(rest):
            return [last]
        return [self._message(b"", rest, speech.format.sample_rate_hz), last]

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        code = reply.code or reply.kind
        return [{"message": reply.message, "error": code, "code": reply.status}]

    def _message(
        self, audio: bytes, aligned: tuple[list[Timed], list[Timed]], rate_hz: int
    ) -> Message:
        own, spoken = aligned
        return {
            "audio": b64encode(audio).decode(),
            "isFinal": None,
            "alignment": self._own_ms.characters(own, rate_hz),
            "normalizedAlignment": self._spoken_ms.characters(spoken, rate_hz),
        }


class ContextsDialect(ElevenLabsDialect, ContextDialect):
    """The same for `multi-stream-input`, where each message names its utterance in `context_id`."""

    def pieces(self, message: Message) -> Sequence[Piece]:
        text = text_of("text", message.get("text") or "")  # an empty one keeps the connection alive
        flush: list[Piece] = [Flush()] * (message.get("flush") is True)
        pieces = self._written(text, message) if text else flush
        return [*pieces, *[None] * (message.get("close_context") is True)]


class _Clock:
    """The milliseconds at which the alignments of one kind have arrived."""

    def __init__(self) -> None:
        self._now_ms = 0

    def characters(self, timed: list[Timed], rate_hz: int) -> dict[str, list[Any]] | None:
        """Characters with their times since the last alignment."""
        if not timed:
            return None
        begins = [round(1000 * begin / rate_hz) for _, begin, _ in timed]
        ends = [round(1000 * end / rate_hz) for _, _, end in timed]
        lasts = [end - begin for begin, end in zip(begins, ends, strict=True)]
        starts = [begin - self._now_ms for begin in begins]
        self._now_ms = ends[-1]
        times = {"charStartTimesMs": starts, "charDurationsMs": lasts}
        chars = [character for character, _, _ in timed]
        return {"chars": chars, **times, "charsDurationsMs": lasts}  # as some clients spell it
