"""The route of Vapi's custom voice; its secret is a key of ours.

Reference: https://docs.vapi.ai/customization/custom-voices/custom-tts
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers
from dlpo_serving.protocols.vapi.requests import read_message

MOST_BYTES = 2 << 20  # of a request: beside the text, it has the conversation so far


def vapi_routes(answers: SpeechAnswers) -> list[web.RouteDef]:
    """Speech of a text."""
    return [web.post("/v1/vapi", partial(_speak, answers))]


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    content = await read_body(request.clone(client_max_size=MOST_BYTES), answers.limits)
    body = read_message(json_object(content), request.query)
    return await answers.answer(request, body, audio_alone)
