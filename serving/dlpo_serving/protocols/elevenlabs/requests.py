"""Paths, queries and bodies of ElevenLabs' API -> what `read_speech_fields` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import IN_OUTPUT_FORMAT, Names
from dlpo_serving.request import PAUSES

FORMATS = {
    "pcm": "pcm",
    "mp3": "mp3",
    "ulaw": "mulaw",
    "alaw": "alaw",
    "opus": "opus",
    "wav": "wav",
}
NAMES: Names = IN_OUTPUT_FORMAT | {
    "input": "text", "speed": "voice_settings.speed", "language": "language_code",
}  # fmt: skip
DEFAULT_FORMAT = "mp3_44100_128"
RATE = re.compile("[0-9]{1,6}")  # in Hz
STOCK_VOICE = re.compile(r"[A-Za-z0-9]{20}")  # one of their IDs, which means our default
# Our own fields, which their packages send in `additional_body_parameters`.
OWN = ("steps", "pitch_semitones", "volume_db", "ssml", "code", "emoji", "dates", "directions",
       "dictionary", "timeout_s", "first_audio_ms", "seed", *PAUSES)  # fmt: skip
# What they read that has no counterpart here, and changes nothing that a listener would miss.
SILENT = ("model_id", "previous_text", "next_text", "previous_request_ids", "next_request_ids")
READ = {"text", "voice_settings", "language_code", *OWN, *SILENT}


def voice_of(name: str) -> str:
    """Ours for one of their IDs; "" is the default."""
    return "" if STOCK_VOICE.fullmatch(name) else name


class SpeechQuery:
    """What a request's path and query say: voice, format and language.

    Raises:
        RequestError: the format is unknown.
    """

    def __init__(self, request: web.Request) -> None:
        voice = request.match_info.get("voice", "")
        output_format = request.query.get("output_format", DEFAULT_FORMAT)
        codec, _, rest = output_format.lower().partition("_")
        rate = rest.partition("_")[0]
        if codec not in FORMATS or not RATE.fullmatch(rate):
            known = ", ".join(f"{name}_RATE" for name in FORMATS)
            raise wrong_value("output_format", output_format, known)
        self._fields = {
            "voice": voice_of(voice),
            "response_format": FORMATS[codec],
            "sample_rate": int(rate),
            "language": request.query.get("language_code", ""),
        }

    def body(self, message: Mapping[str, Any], text: str) -> SpeechBody:
        """What a JSON object asks for, whose text may come later.

        Raises:
            RequestError: see `read_speech_fields`.
        """
        settings = message.get("voice_settings")
        fields = {**self._fields, "input": text}
        fields["speed"] = settings.get("speed") if isinstance(settings, dict) else None
        fields |= {name: message[name] for name in OWN if name in message}
        if (language := message.get("language_code")) is not None:
            fields["language"] = language
        ignored = {name for name, value in message.items() if value is not None} - READ
        return replace(read_speech_fields(fields), ignored=tuple(sorted(ignored)))
