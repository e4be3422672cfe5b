"""Kokoro-FastAPI's captioned speech and lists, and the answer to its route that mixes voices."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

from aiohttp import web

from dlpo_serving.alignment import Timed, TimedWords
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.protocols.http.api import HttpApi, get, post
from dlpo_serving.protocols.http.replies import Delivery
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import MODELS, SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import BodyError, ErrorReply

# Of their requests, with no effect here.
UNREAD = ("return_timestamps", "lang_code", "normalization_options", "volume_multiplier",
          "return_download_link", "download_format")  # fmt: skip


class Captions(Delivery):
    """A JSON object per line: audio, and the words that are complete with it."""

    def __init__(self, body: SpeechBody, speech: AudioStream) -> None:
        super().__init__(speech, "application/x-ndjson")
        self._words = TimedWords(body.request.text)

    def chunk(self, chunk: EncodedChunk) -> bytes:
        return self._line(chunk.audio, self._words.take(chunk))

    def end(self, speech: AudioStream) -> bytes:
        rest = self._words.rest(speech.samples)
        return self._line(b"", rest) if rest else b""

    def error(self, reply: ErrorReply) -> bytes:
        return json.dumps(reply.json()).encode() + b"\n"

    def _line(self, audio: bytes, words: list[Timed]) -> bytes:
        rate_hz = self.speech.format.sample_rate_hz
        timestamps = [
            {"word": word, "start_time": start / rate_hz, "end_time": end / rate_hz}
            for word, start, end in words
        ]
        captioned = {
            "audio": b64encode(audio).decode(),
            "audio_format": media_type(self.speech.format.encoding),
            "timestamps": timestamps,
        }
        return json.dumps(captioned).encode() + b"\n"


class CaptionedObject(Captions):
    """The same as one object, when all is spoken."""

    def __init__(self, body: SpeechBody, speech: AudioStream) -> None:
        super().__init__(body, speech)
        self.content_type = "application/json"
        self._timed: list[Timed] = []

    def chunk(self, chunk: EncodedChunk) -> bytes:
        self._timed += self._words.take(chunk)
        return chunk.audio

    def whole(self, chunks: bytes) -> bytes:
        timed = self._timed + self._words.rest(self.speech.samples)
        return self._line(self.complete(chunks), timed)

    def end(self, speech: AudioStream) -> bytes:
        return b""


async def _captioned(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    fields = await answers.body_of(request)
    known = {name: value for name, value in fields.items() if name not in UNREAD}
    body = read_speech_fields(known, answers.limits.strict)
    whole = fields.get("stream", True) is False
    plain = replace(body, stream_format="audio", captions="")
    open = CaptionedObject if whole else Captions
    return await answers.answer(request, plain, open, whole, live=not whole)


async def _combine(answers: SpeechAnswers, request: web.Request) -> web.Response:
    what = "mixes are not stored here; give the mix as the voice, as in af_heart(2)+af_nova(1)"
    raise BodyError(what, 400, "voice_mix_is_a_name")


async def _names(answers: SpeechAnswers, request: web.Request) -> web.Response:
    kind = request.path.strip("/").rpartition("/")[2]
    found = MODELS if kind == "models" else [one.voice for one in answers.service.voices]
    return web.json_response({kind: [{"id": name, "name": name} for name in found]})


API = HttpApi(
    name="Kokoro-FastAPI",
    page="http.md#cartesia-deepgram-kokoro-fastapi-jambonz-vapi",
    uses="what calls it already",
    live="unless `stream` is false",
    times="words",
    routes=[
        post("/dev/captioned_speech", _captioned, "Kokoro-FastAPI's: audio and times of words"),
        post("/v1/audio/voices/combine", _combine, "How to mix voices"),
        get("/v1/audio/voices", _names, "Names of voices"),
        get("/v1/audio/models", _names, "Names of models"),
    ],
)
