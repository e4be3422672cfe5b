"""Lists of voices and models, in OpenAI's format."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.protocols.elevenlabs.voices import listed, models_listed
from dlpo_serving.protocols.http.dialects import ELEVENLABS_KEY
from dlpo_serving.protocols.http.speech_body import MODELS
from dlpo_serving.protocols.http.statuses import UnknownModelError
from dlpo_serving.service import SynthesisService


def catalog_routes(service: SynthesisService) -> list[web.RouteDef]:
    """Lists of voices and models, in OpenAI's format."""

    async def voices(request: web.Request) -> web.Response:
        loaded = service.loaded_voices()
        data = [_voice(manifest) for manifest in loaded]
        lists = {"data": data, "voices": listed(loaded)}  # ours; ElevenLabs'
        return web.json_response({"object": "list", **lists})

    async def models(request: web.Request) -> web.Response:
        if ELEVENLABS_KEY in request.headers:  # its clients always send a key
            return web.json_response(models_listed(service.voices))
        return web.json_response({"object": "list", "data": [_model(name) for name in MODELS]})

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in MODELS:
            raise UnknownModelError(name, MODELS)
        return web.json_response(_model(name))

    async def names(request: web.Request) -> web.Response:
        kind = request.path.rpartition("/")[2]
        found = MODELS if kind == "models" else [one.voice for one in service.voices]
        return web.json_response({kind: [{"id": name, "name": name} for name in found]})

    return [
        web.get("/v1/voices", voices),
        web.get("/v1/audio/voices", names),  # as in Kokoro-FastAPI and Open WebUI
        web.get("/v1/audio/models", names),
        web.get("/v1/models", models),
        web.get("/v1/models/{model}", model),
    ]


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
