"""Kokoro-FastAPI's captioned speech and lists, and the answer to its route that mixes voices."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from dlpo_serving.alignment import Timed, TimedWords
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.protocols.http.api import HttpApi, get, post
from dlpo_serving.protocols.http.replies import TimedLines
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import MODELS, SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import BodyError

# Of their requests, with no effect here.
UNREAD = ("return_timestamps", "lang_code", "normalization_options", "volume_multiplier",
          "return_download_link", "download_format")  # fmt: skip


class Captions(TimedLines):
    """Audio, and the words that are complete with it; see `TimedLines`."""

    def __init__(self, body: SpeechBody, speech: AudioStream, in_one: bool) -> None:
        super().__init__(speech, in_one)
        self._words = TimedWords(body.request.written)

    def times(self, chunk: EncodedChunk) -> Sequence[list[Timed]]:
        return [self._words.take(chunk)]

    def rest(self) -> Sequence[list[Timed]]:
        return [self._words.rest(self.speech.samples)]

    def message(self, audio: bytes, *times: list[Timed]) -> dict[str, Any]:
        rate_hz = self.speech.format.sample_rate_hz
        timestamps = [
            {"word": word, "start_time": start / rate_hz, "end_time": end / rate_hz}
            for word, start, end in times[0]
        ]
        return {
            "audio": b64encode(audio).decode(),
            "audio_format": media_type(self.speech.format.encoding),
            "timestamps": timestamps,
        }


async def _captioned(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    fields = await answers.body_of(request)
    known = {name: value for name, value in fields.items() if name not in UNREAD}
    body = read_speech_fields(known, answers.limits.strict)
    whole = fields.get("stream", True) is False
    plain = replace(body, stream_format="audio", captions="")
    open = partial(Captions, in_one=whole)
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
