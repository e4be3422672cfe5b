"""Lists of voices and models in OpenAI's format, with what clients of other APIs expect there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.protocols.http.api import HttpApi, get
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import MODELS
from dlpo_serving.protocols.http.statuses import UnknownModelError


def catalog(apis: Sequence[HttpApi]) -> HttpApi:
    """The lists that all APIs share."""

    async def voices(answers: SpeechAnswers, request: web.Request) -> web.Response:
        loaded = answers.service.loaded_voices()
        listed: dict[str, Any] = {"object": "list", "data": [_voice(one) for one in loaded]}
        for api in apis:
            listed |= api.lists(loaded) if api.lists else {}
        return web.json_response(listed)

    async def models(answers: SpeechAnswers, request: web.Request) -> web.Response:
        for api in apis:
            if api.models and api.keys and api.keys.sent_in(request.headers):
                return web.json_response(api.models(answers.service.voices))
        return web.json_response({"object": "list", "data": [_model(name) for name in MODELS]})

    return HttpApi(
        name="lists",
        page="http.md",
        uses="every client",
        routes=[
            get("/v1/voices", voices, "Voices, with their ranges"),
            get("/v1/models", models, "Models"),
            get("/v1/models/{model}", _one_model, "One model"),
        ],
    )


async def _one_model(answers: SpeechAnswers, request: web.Request) -> web.Response:
    name = request.match_info["model"]
    if name not in MODELS:
        raise UnknownModelError(name, MODELS)
    return web.json_response(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "dlpo"}


def _voice(manifest: Manifest) -> dict[str, Any]:
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    return {
        "id": manifest.voice,
        "object": "voice",
        "language": manifest.language,
        "sample_rate": manifest.sample_rate_hz,
        "steps": list(manifest.available_steps),
        "default_steps": manifest.steps,
        "speed": {"min": slowest, "max": fastest},
        "pitch_semitones": {"min": lowest, "max": highest},
        "licence": manifest.licence,
    }
