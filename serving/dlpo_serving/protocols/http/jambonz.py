"""jambonz's custom speech vendor: one POST with a text, answered with its audio.

Reference: https://docs.jambonz.org/guides/features/custom-tts-providers
"""

from __future__ import annotations

from aiohttp import web

from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object, read_speech_fields
from dlpo_serving.protocols.http.speech_route import SpeechAnswers
from dlpo_serving.protocols.http.statuses import Names
from dlpo_serving.request import PAUSES

NAMES: Names = {"input": "text"}


def jambonz_routes(answers: SpeechAnswers) -> list[web.RouteDef]:
    """The URL to give in jambonz's portal; the key goes there, too."""

    async def speak(request: web.Request) -> web.StreamResponse:
        message = json_object(await read_body(request, answers.limits))
        fields = {
            "input": text_of("text", message.get("text")),
            "voice": message.get("voice"),
            "language": message.get("language"),
            "ssml": message.get("type") == "ssml",
            "response_format": "mp3",
            **{name: message.get(name) for name in PAUSES},
        }
        return await answers.answer(request, read_speech_fields(fields), audio_alone)

    return [web.post("/v1/jambonz", speak)]
