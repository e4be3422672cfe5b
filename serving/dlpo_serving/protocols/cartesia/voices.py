"""Voices as Cartesia's clients list them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile, islice

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.errors import UnknownVoiceError, wrong_value
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.service import SynthesisService
from dlpo_serving.voices.names import AboutVoice, about_voices

USUAL_LIMIT, MOST = 10, 100  # voices of a page
GENDERS = {"woman": "feminine", "man": "masculine"}
EPOCH = "1970-01-01T00:00:00Z"  # clients expect a date


async def voices_page(answers: SpeechAnswers, request: web.Request) -> web.Response:
    """One page of the voices, after `starting_after`; `q` and `gender` choose among them.

    Raises:
        RequestError: `limit` is no number of voices.
    """
    query = request.query
    limit = query.get("limit", str(USUAL_LIMIT))
    if not (limit.isdecimal() and len(limit) < 4 and 1 <= int(limit) <= MOST):
        raise wrong_value("limit", limit, f"1 to {MOST}")
    found = [
        voice
        for voice in _listed(answers.service)
        if query.get("q", "").lower() in f"{voice['id']} {voice['description']}".lower()
        and query.get("gender") in (None, voice["gender"])
    ]
    if after := query.get("starting_after"):
        found = list(dropwhile(lambda voice: voice["id"] != after, found))[1:]
    page = list(islice(found, int(limit)))
    more = len(found) > len(page)
    next_page = page[-1]["id"] if more else None
    return web.json_response({"data": page, "has_more": more, "next_page": next_page})


async def voice_alone(answers: SpeechAnswers, request: web.Request) -> web.Response:
    """One voice by its name."""
    name = request.match_info["voice"]
    voices = _listed(answers.service)
    for voice in voices:
        if voice["id"] == name:
            return web.json_response(voice)
    raise UnknownVoiceError(name, [str(voice["id"]) for voice in voices])


def _listed(service: SynthesisService) -> Sequence[dict[str, object]]:
    about = about_voices()
    return [_voice(manifest, about.get(manifest.voice)) for manifest in service.loaded_voices()]


def _voice(manifest: Manifest, about: AboutVoice | None) -> dict[str, object]:
    return {
        "id": manifest.voice,
        "name": manifest.voice,
        "tagline": "",
        "description": about.sounds if about else "",
        "language": manifest.language.partition("-")[0],
        "locales": [{"locale": manifest.language, "is_native": True}],
        "gender": GENDERS.get(about.speaker) if about else None,
        "access": "public",
        "visibility": "all",
        "is_owner": False,
        "created_at": EPOCH,
    }
