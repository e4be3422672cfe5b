"""The query of Deepgram's `/v1/speak` -> what `read_speech_fields` reads."""

from __future__ import annotations

import re

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import Names
from dlpo_serving.request import PAUSES

NAMES: Names = {
    "input": "text", "voice": "model", "response_format": "encoding",
    "sample_rate_hz": "sample_rate",
}  # fmt: skip
ENCODINGS = {
    "linear16": "pcm",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "mp3": "mp3",
    "opus": "opus",
    "flac": "flac",
    "aac": "aac",
}
HELD_IN_WAV = "linear16"  # unless the container is none
STOCK_VOICE = re.compile(r"aura(-2)?-[a-z]{1,30}-[a-z]{2}")  # means our default
NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")


def read_query(request: web.Request, text: str, default_encoding: str) -> SpeechBody:
    """What a query asks for; a WebSocket's audio has no container.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    query = request.query
    model = query.get("model", "")
    encoding = query.get("encoding", default_encoding).lower()
    if encoding not in ENCODINGS:
        raise wrong_value("encoding", encoding, ", ".join(ENCODINGS))
    container = query.get("container", "none" if request.method == "GET" else "wav").lower()
    in_wav = encoding == HELD_IN_WAV and container == "wav"
    rate, seed = _number(request, "sample_rate"), _number(request, "seed")
    fields = {
        "input": text,
        "voice": "" if STOCK_VOICE.fullmatch(model.lower()) else model,
        "response_format": "wav" if in_wav else ENCODINGS[encoding],
        "sample_rate": rate and int(rate),
        "speed": _number(request, "speed"),
        "seed": seed and int(seed),
        **{name: _number(request, name) for name in PAUSES},
    }
    return read_speech_fields(fields)


def _number(request: web.Request, name: str) -> float | None:
    value = request.query.get(name)
    if value is None:
        return None
    if not NUMBER.fullmatch(value):
        raise wrong_value(name, value, "a number")
    return float(value)
