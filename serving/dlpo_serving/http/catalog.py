"""What the server offers: its voices, and the models that OpenAI's clients ask for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.http.speech_body import MODELS
from dlpo_serving.http.statuses import UnknownModelError
from dlpo_serving.refusals import NotReadyError
from dlpo_serving.speaker import Speaker


def catalog_routes(speaker: Speaker) -> list[web.RouteDef]:
    """The lists, in the shape of OpenAI's."""

    async def voices(request: web.Request) -> web.Response:
        if not speaker.voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        return web.json_response(_list([_voice(manifest) for manifest in speaker.voices]))

    async def models(request: web.Request) -> web.Response:
        return web.json_response(_list([_model(name) for name in MODELS]))

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in MODELS:
            raise UnknownModelError(name, MODELS)
        return web.json_response(_model(name))

    return [
        web.get("/v1/voices", voices),
        web.get("/v1/models", models),
        web.get("/v1/models/{model}", model),
    ]


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data}


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
