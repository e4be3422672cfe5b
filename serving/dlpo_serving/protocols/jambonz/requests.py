"""jambonz's JSON and the query of its WebSocket -> what `read_speech_fields` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import Names
from dlpo_serving.request import PAUSES

NAMES: Names = {"input": "text", "sample_rate": "sampleRate", "sample_rate_hz": "sampleRate"}
USUAL_RATE = "16000"  # Hz, on the WebSocket


def read_message(message: Mapping[str, Any]) -> SpeechBody:
    """What a POST asks for: MP3, which jambonz caches.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    return read_speech_fields(
        {
            "input": text_of("text", message.get("text")),
            "voice": _voice(message.get("voice")),
            "language": message.get("language"),
            "ssml": message.get("type") == "ssml",
            "response_format": "mp3",
            **{name: message.get(name) for name in PAUSES},
        }
    )


def read_query(query: Mapping[str, str]) -> SpeechBody:
    """How the texts of a WebSocket are spoken: samples at the rate of the telephone call.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    rate = query.get("sampleRate", USUAL_RATE)
    if not (rate.isdecimal() and len(rate) < 10):
        raise wrong_value("sampleRate", rate, "a whole number of Hz")
    return read_speech_fields(
        {
            "input": "",
            "voice": _voice(query.get("voice")),
            "language": query.get("language"),
            "response_format": "pcm",
            "sample_rate": int(rate),
        }
    )


def _voice(name: object) -> object:
    """The voice without the identifiers of the call that may follow it: `heart;callSid=...`."""
    return name.partition(";")[0] if isinstance(name, str) else name
