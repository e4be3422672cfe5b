"""Audio -> the body of a reply: bare audio, OpenAI's events or our own."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from dlpo_serving.alignment import Timed, TimedWords
from dlpo_serving.audio_stream import AudioStream, EncodedChunk, taken_within, warning_header
from dlpo_serving.captions import Captioner
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.encodings.headers import with_length
from dlpo_serving.protocols.http.requests import HttpLimits
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.synthesis.timing import WordTiming

CAPTION_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}
REPORT_ERROR_S = 1.0  # to report an error before the connection is cut


class Delivery:
    """Writes the body of one reply: the encoded audio and nothing else."""

    def __init__(self, speech: AudioStream, content_type: str = "") -> None:
        self.speech = speech
        self.content_type = content_type or media_type(speech.format.encoding)

    def begin(self) -> bytes:
        """Bytes before the first chunk."""
        return b""

    def chunk(self, chunk: EncodedChunk) -> bytes:
        """Bytes of the next chunk; may be empty."""
        return chunk.audio

    def end(self, speech: AudioStream) -> bytes:
        """Bytes after the last chunk."""
        return b""

    def whole(self, chunks: bytes) -> bytes:
        """The complete body of a reply that is sent when complete, from what its chunks gave."""
        return self.complete(chunks)

    def error(self, reply: ErrorReply) -> bytes:
        """Bytes that report an error after the chunks already sent; empty if the format can't."""
        return b""  # the truncated body reveals it

    def complete(self, audio: bytes) -> bytes:
        """All of the audio, with its length in the header if the encoding has one."""
        return with_length(
            audio, self.speech.format, self.speech.encoded_samples, self.speech.about
        )


OpenDelivery = Callable[[SpeechBody, AudioStream], Delivery]


def audio_alone(body: SpeechBody, speech: AudioStream) -> Delivery:
    """The encoded audio and nothing else."""
    return Delivery(speech)


def delivery_of(body: SpeechBody) -> OpenDelivery:
    """The delivery that a client of OpenAI's API asks for."""
    if body.captions:
        return CaptionsOnly
    match body.stream_format:
        case "sse":
            return OpenAIEvents
        case "dlpo":
            return lambda _, speech: DlpoEvents(speech)
        case _:
            return audio_alone


class CaptionsOnly(Delivery):
    """The captions of the audio that the same request for an audio format gets."""

    def __init__(self, body: SpeechBody, speech: AudioStream) -> None:
        super().__init__(speech, CAPTION_TYPES[body.captions])
        self._words = TimedWords(body.request.written)
        self._captioner = Captioner(body.captions, speech.format.sample_rate_hz)

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return self._captioner.add(self._words.take(chunk)).encode()

    def end(self, speech: AudioStream) -> bytes:
        rest = self._captioner.add(self._words.rest(speech.samples))
        return (rest + self._captioner.end(speech.samples)).encode()


class TimedLines(Delivery):
    """Audio in JSON, with the times that are complete with it: a line for each chunk.

    Args:
        in_one: all of it in one object instead, when all is spoken.
    """

    def __init__(self, speech: AudioStream, in_one: bool) -> None:
        super().__init__(speech, "application/json" if in_one else "application/x-ndjson")
        self._in_one = in_one
        self._held: list[Sequence[list[Timed]]] = []

    def times(self, chunk: EncodedChunk) -> Sequence[list[Timed]]:
        """What is complete with a chunk, of each kind of times."""
        raise NotImplementedError

    def rest(self) -> Sequence[list[Timed]]:
        """The same of all else, after the last chunk."""
        raise NotImplementedError

    def message(self, audio: bytes, *times: list[Timed]) -> dict[str, Any]:
        """A line."""
        raise NotImplementedError

    def chunk(self, chunk: EncodedChunk) -> bytes:
        if self._in_one:
            self._held.append(self.times(chunk))
            return chunk.audio
        return _line(self.message(chunk.audio, *self.times(chunk)))

    def end(self, speech: AudioStream) -> bytes:
        if self._in_one or not any(rest := self.rest()):
            return b""
        return _line(self.message(b"", *rest))

    def whole(self, chunks: bytes) -> bytes:
        kinds = zip(*self._held, self.rest(), strict=True)
        times = ([one for part in parts for one in part] for parts in kinds)
        return _line(self.message(self.complete(chunks), *times))

    def error(self, reply: ErrorReply) -> bytes:
        return _line(reply.json())


class OpenAIEvents(Delivery):
    """Server-sent events as OpenAI documents them for `stream_format: "sse"`."""

    def __init__(self, body: SpeechBody, speech: AudioStream) -> None:
        super().__init__(speech, "text/event-stream")
        self._characters = len(body.request.text)  # which this server counts instead of tokens

    def chunk(self, chunk: EncodedChunk) -> bytes:
        if not chunk.audio:
            return b""
        return _event({"type": "speech.audio.delta", "audio": b64encode(chunk.audio).decode()})

    def end(self, speech: AudioStream) -> bytes:
        usage = {
            "input_tokens": self._characters,
            "output_tokens": speech.samples,
            "total_tokens": self._characters + speech.samples,
        }
        return _event({"type": "speech.audio.done", "usage": usage})

    def error(self, reply: ErrorReply) -> bytes:
        return _event({"type": "error", **reply.json()})


class DlpoEvents(Delivery):
    """Our own events, one JSON object per line: speech.info, .audio with words, speech.done."""

    def __init__(self, speech: AudioStream) -> None:
        super().__init__(speech, "application/x-ndjson")
        self._rate = speech.format.sample_rate_hz

    def begin(self) -> bytes:
        return _line({**self.info(), **self.text()})

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return _line({**self.audio(chunk), "audio": b64encode(chunk.audio).decode()})

    def end(self, speech: AudioStream) -> bytes:
        return _line(self.done())

    def error(self, reply: ErrorReply) -> bytes:
        return _line({"type": "error", **reply.json()})

    def info(self) -> dict[str, Any]:
        """What is known before the text is read."""
        speech = self.speech
        return {
            "type": "speech.info",
            "voice": speech.manifest.voice,
            "mark": speech.record.mark,
            "encoding": speech.format.encoding,
            "sample_rate": speech.format.sample_rate_hz,
            "steps": speech.steps,
            "seed": speech.seed,
        }

    def text(self) -> dict[str, Any]:
        """What is known about the text once it is read."""
        return {
            "processed_text": self.speech.processed_text,
            "dropped_characters": self.speech.dropped_characters,
            "warnings": self.speech.warnings,
        }

    def audio(self, chunk: EncodedChunk) -> dict[str, Any]:
        """A chunk without its audio."""
        marks = [{"name": mark.name, "at_s": self._seconds(mark.sample)} for mark in chunk.marks]
        return {
            "type": "speech.audio",
            "sample_offset": chunk.sample_offset,
            "sentence": chunk.sentence,
            "words": [self._word(word) for word in chunk.words],
            "marks": marks,
        }

    def done(self) -> dict[str, Any]:
        """What is known after the last chunk."""
        speech = self.speech
        late = {"warnings": [speech.misfit]} if speech.misfit else {}
        return {
            "type": "speech.done",
            "samples": speech.samples,
            "audio_s": speech.audio_s,
            **late,
        }

    def _word(self, word: WordTiming) -> dict[str, Any]:
        return {
            "word": word.word,
            "start_s": self._seconds(word.start),
            "stop_s": self._seconds(word.stop),
            "start_character": word.text_start,
            "stop_character": word.text_end,
            "phonemes": [
                {
                    "phoneme": phoneme.phoneme,
                    "start_s": self._seconds(phoneme.start),
                    "stop_s": self._seconds(phoneme.stop),
                }
                for phoneme in word.phonemes
            ],
        }

    def _seconds(self, samples: int) -> float:
        return round(samples / self._rate, 6)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(value).encode()


def _line(value: dict[str, Any]) -> bytes:
    return b"%s\n" % json.dumps(value).encode()


@dataclass(frozen=True, slots=True)
class SpeechReply:
    """A reply whose status has been sent."""

    request: web.Request
    response: web.StreamResponse
    delivery: Delivery
    stall_s: float

    async def write(self, data: bytes, last: bool = False) -> None:
        """Send the next bytes, and the end of the body if they are the last.

        Raises:
            StalledError: the client has stopped reading.
        """
        async with taken_within(self.stall_s):
            await self.response.write(data)
            if last:
                await self.response.write_eof()

    async def cut(self, error: ErrorReply) -> None:
        """Close the connection without ending the body, so that no client takes it for complete."""
        transport = self.request.transport
        if transport is None or transport.is_closing():
            return
        try:
            async with asyncio.timeout(REPORT_ERROR_S):
                await self.response.write(self.delivery.error(error))
            transport.close()
        except (TimeoutError, ConnectionResetError):
            transport.abort()


class Begun(Protocol):
    """A reply that can no longer be replaced by an error."""

    @property
    def response(self) -> web.StreamResponse: ...

    async def cut(self, error: ErrorReply) -> None:
        """Report the error as far as possible, and end the connection."""


BEGUN: web.RequestKey[Begun] = web.RequestKey("begun", Begun)  # of a request


async def send_audio(
    request: web.Request,
    delivery: Delivery,
    limits: HttpLimits,
    warnings: Sequence[str],
    whole: bool,
) -> SpeechReply:
    speech = delivery.speech

    async def begin(length: int | None = None) -> SpeechReply:
        response = web.StreamResponse(
            headers={
                "Content-Type": delivery.content_type,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # else nginx buffers the whole reply
                "X-Voice": speech.manifest.voice,
                "X-Mark": speech.record.mark,
                "X-Sample-Rate": str(speech.format.sample_rate_hz),
            }
        )
        if (first_s := speech.record.first_audio_s) is not None:
            response.headers["Server-Timing"] = f"first-audio;dur={1000 * first_s:.1f}"
        if said := warning_header([*warnings, *speech.warnings]):
            response.headers["X-Warning"] = said
        response.content_length = length
        await response.prepare(request)
        request[BEGUN] = reply = SpeechReply(request, response, delivery, limits.stall_s)
        return reply

    held = delivery.begin()
    reply = None
    async for chunk in speech:
        held += delivery.chunk(chunk)
        if reply is None and chunk.audio and not whole:
            reply = await begin()
        if reply and held:
            await reply.write(held)
            held = b""
    if whole:
        held = delivery.whole(held)
    if reply is None:
        reply = await begin(len(held) if whole else None)
        await reply.write(held)
    return reply
