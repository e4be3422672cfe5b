"""Vapi's custom voice: one POST with a text, answered with its samples.

Its secret is a key of ours.

Reference: https://docs.vapi.ai/customization/custom-voices/custom-tts
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.http.api import HttpApi, post
from dlpo_serving.protocols.http.dialects import object_of, text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields

MOST_BYTES = 2 << 20  # of a request: beside the text, it has the conversation so far
KIND = "voice-request"


def read_message(body: Mapping[str, Any], query: Mapping[str, str]) -> SpeechBody:
    """What a request asks for.

    Args:
        query: of its address; `voice` and `language` there precede the assistant's `voiceId`.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    message = object_of(body, "message")
    if message.get("type") != KIND:
        raise wrong_value("type", message.get("type"), f"a message of type {KIND}")
    return read_speech_fields(
        {
            "input": text_of("text", message.get("text")),
            "voice": query.get("voice") or _voice_id(message),
            "language": query.get("language"),
            "response_format": "pcm",
            "sample_rate": message.get("sampleRate"),
        }
    )


def _voice_id(message: Mapping[str, Any]) -> str:
    match message:
        case (
            {"voiceId": str(name)}
            | {"voice": {"voiceId": str(name)}}
            | {"assistant": {"voice": {"voiceId": str(name)}}}
        ):
            return name
    return ""


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    body = read_message(await answers.body_of(request, MOST_BYTES), request.query)
    return await answers.answer(request, body, audio_alone)


API = HttpApi(
    name="Vapi",
    page="http.md#cartesia-deepgram-kokoro-fastapi-jambonz-vapi",
    uses="its assistants",
    keys=KeyPlaces(headers=("X-Vapi-Secret",)),
    names={
        "input": "text", "voice": "voiceId", "sample_rate": "sampleRate",
        "sample_rate_hz": "sampleRate",
    },
    routes=[post("/v1/vapi", _speak, "Vapi's custom voice: a text in, samples out")],
)  # fmt: skip
