"""How speech travels in the body of a reply: as sound alone, or as events that tell more."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Protocol

from dlpo_serving.audio_stream import EncodedChunk, SpeechInfo, SpeechTotals
from dlpo_serving.encodings import media_type
from dlpo_serving.http.speech_body import SpeechBody
from dlpo_serving.http.statuses import ErrorReply
from dlpo_serving.synthesis.timing import WordTiming


class Delivery(Protocol):
    """Writes the body of one reply."""

    content_type: str

    def begin(self) -> bytes:
        """What comes before the first piece."""
        ...

    def piece(self, piece: EncodedChunk) -> bytes:
        """The next piece of the speech; may be empty."""
        ...

    def end(self, totals: SpeechTotals) -> bytes:
        """What follows the last piece."""
        ...

    def error(self, reply: ErrorReply) -> bytes:
        """What follows the pieces that were sent when no more will come; empty if nothing can."""
        ...


def open_delivery(body: SpeechBody, info: SpeechInfo) -> Delivery:
    """The way of delivery that a client asks for."""
    match body.stream_format:
        case "sse":
            return OpenAIEvents(len(body.request.text))
        case "dlpo":
            return DlpoEvents(info)
        case _:
            return Sound(media_type(info.format.encoding))


class Sound:
    """The encoded audio and nothing else."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def begin(self) -> bytes:
        return b""

    def piece(self, piece: EncodedChunk) -> bytes:
        return piece.audio

    def end(self, totals: SpeechTotals) -> bytes:
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

    def piece(self, piece: EncodedChunk) -> bytes:
        if not piece.audio:
            return b""
        return _event({"type": "speech.audio.delta", "audio": b64encode(piece.audio).decode()})

    def end(self, totals: SpeechTotals) -> bytes:
        usage = {
            "input_tokens": self._characters,
            "output_tokens": totals.samples,
            "total_tokens": self._characters + totals.samples,
        }
        return _event({"type": "speech.audio.done", "usage": usage})

    def error(self, reply: ErrorReply) -> bytes:
        return _event({"type": "error", **reply.json()})


class DlpoEvents:
    """Our own events, one JSON object a line: speech.info, speech.audio with words, speech.done."""

    content_type = "application/x-ndjson"

    def __init__(self, info: SpeechInfo) -> None:
        self._info = info
        self._rate = info.format.sample_rate_hz

    def begin(self) -> bytes:
        info = self._info
        return _line(
            {
                "type": "speech.info",
                "voice": info.manifest.voice,
                "encoding": info.format.encoding,
                "sample_rate": info.format.sample_rate_hz,
                "steps": info.steps,
                "seed": info.seed,
                "processed_text": info.processed_text,
                "dropped_characters": info.dropped_characters,
            }
        )

    def piece(self, piece: EncodedChunk) -> bytes:
        marks = [{"name": mark.name, "at_s": self._seconds(mark.sample)} for mark in piece.marks]
        return _line(
            {
                "type": "speech.audio",
                "audio": b64encode(piece.audio).decode(),
                "sample_offset": piece.sample_offset,
                "sentence": piece.sentence,
                "words": [self._word(word) for word in piece.words],
                "marks": marks,
            }
        )

    def end(self, totals: SpeechTotals) -> bytes:
        done = {"type": "speech.done", "samples": totals.samples, "audio_s": totals.audio_s}
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
