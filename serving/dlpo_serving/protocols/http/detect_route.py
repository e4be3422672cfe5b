"""`POST /v1/detect`: whether dlpo spoke in the audio of the body."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from aiohttp import web

from dlpo.errors import InputError
from dlpo.mark.files import SHOWN, TooLongError, detect, read_audio
from dlpo_serving.protocols.http.api import HttpApi, post
from dlpo_serving.protocols.http.requests import HttpLimits, received
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.statuses import BodyError

MAX_BYTES = 25_000_000
MAX_S = 600.0
WAITING = 8  # detections that may wait for the one that runs
TYPES = ("audio/", "application/ogg", "application/octet-stream")


def detection(limits: HttpLimits) -> HttpApi:
    """The API; detections run one at a time, outside the event loop.

    Args:
        limits: its own key, if it has one: `?key=own` looks for its mark instead of the public one.
    """
    keys = {"public": b"", "own": limits.mark_key}
    thread = ThreadPoolExecutor(1, "detection")  # busy to the end, even if a client hangs up
    waiting = 0

    async def answer(answers: SpeechAnswers, request: web.Request) -> web.Response:
        nonlocal waiting
        if not request.content_type.startswith(TYPES):
            what = f"Content-Type is {request.content_type}; expected audio, such as audio/mpeg"
            raise BodyError(what, 415)
        wanted = request.query.get("key", "public")
        if wanted not in keys:
            raise BodyError(f"key is {wanted[:SHOWN]!r}; expected public or own", 400)
        if wanted == "own" and not limits.mark_key:
            raise BodyError("key is own, but this server has none; see --mark-key", 400)
        if waiting >= WAITING:
            raise BodyError("too many detections wait; try again in a minute", 429)
        waiting += 1  # from here, so that few bodies are held at once
        try:
            larger = request.clone(client_max_size=MAX_BYTES)
            audio = await received(larger, max(limits.body_s, limits.stall_s))
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(thread, _found, audio, keys[wanted])
        finally:
            waiting -= 1
        return web.json_response(found)

    summary = "Audio in: whether dlpo spoke in it, by the mark in its noise"
    return HttpApi(
        name="detection",
        page="provenance.md",
        uses="checks of where audio is from",
        routes=[post("/v1/detect", answer, summary)],
    )


def _found(audio: bytes, key: bytes) -> dict[str, object]:
    """Raises BodyError: the audio is too long; InputError: it can't be read."""
    try:
        samples = read_audio(io.BytesIO(audio), MAX_S)
    except TooLongError as error:
        raise BodyError(str(error), 413) from error
    except InputError as error:
        raise BodyError(str(error), 415) from error
    return asdict(detect(samples, key=key))
