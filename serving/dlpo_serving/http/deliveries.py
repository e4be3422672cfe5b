"""How speech travels in the body of a reply: as sound alone, or as events that tell more."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Protocol

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings import media_type
from dlpo_serving.http.speech_body import SpeechBody
from dlpo_serving.http.statuses import ErrorReply
from dlpo_serving.synthesis.timing import WordTiming


class Delivery(Protocol):
    """Writes the body of one reply."""

    content_type: str

    def begin(self) -> bytes:
        """What comes before the first chunk."""
        ...

    def chunk(self, chunk: EncodedChunk) -> bytes:
        """The next chunk of the audio; may be empty."""
        ...

    def end(self, speech: AudioStream) -> bytes:
        """What follows the last chunk."""
        ...

    def error(self, reply: ErrorReply) -> bytes:
        """What follows the chunks that were sent when no more will come; empty if nothing can."""
        ...


def open_delivery(body: SpeechBody, speech: AudioStream) -> Delivery:
    """The way of delivery that a client asks for."""
    match body.stream_format:
        case "sse":
            return OpenAIEvents(len(body.request.text))
        case "dlpo":
            return DlpoEvents(speech)
        case _:
            return Sound(media_type(speech.format.encoding))


class Sound:
    """The encoded audio and nothing else."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def begin(self) -> bytes:
        return b""

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return chunk.audio

    def end(self, speech: AudioStream) -> bytes:
        return b""

    def error(self, reply: ErrorReply) -> bytes:
        return b""  # the missing end of the body tells it


class OpenAIEvents:
    """Server-sent events as OpenAI documents them for `stream_format: "sse"`."""

    content_type = "text/event-stream"

    def __init__(self, characters: int) -> None:
        """`characters` of the text: this server counts them in the place of tokens."""
        self._characters = characters

    def begin(self) -> bytes:
        return b""

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


class DlpoEvents:
    """Our own events, one JSON object a line: speech.info, speech.audio with words, speech.done."""

    content_type = "application/x-ndjson"

    def __init__(self, speech: AudioStream) -> None:
        self._speech = speech
        self._rate = speech.format.sample_rate_hz

    def begin(self) -> bytes:
        speech = self._speech
        return _line(
            {
                "type": "speech.info",
                "voice": speech.manifest.voice,
                "encoding": speech.format.encoding,
                "sample_rate": speech.format.sample_rate_hz,
                "steps": speech.steps,
                "seed": speech.seed,
                "processed_text": speech.processed_text,
                "dropped_characters": speech.dropped_characters,
            }
        )

    def chunk(self, chunk: EncodedChunk) -> bytes:
        marks = [{"name": mark.name, "at_s": self._seconds(mark.sample)} for mark in chunk.marks]
        return _line(
            {
                "type": "speech.audio",
                "audio": b64encode(chunk.audio).decode(),
                "sample_offset": chunk.sample_offset,
                "sentence": chunk.sentence,
                "words": [self._word(word) for word in chunk.words],
                "marks": marks,
            }
        )

    def end(self, speech: AudioStream) -> bytes:
        done = {"type": "speech.done", "samples": speech.samples, "audio_s": speech.audio_s}
        return _line(done)

    def error(self, reply: ErrorReply) -> bytes:
        return _line({"type": "error", **reply.json()})

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
