"""Vapi's voice requests -> what `read_speech_fields` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.dialects import object_of, text_of
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import Names

NAMES: Names = {
    "input": "text", "voice": "voiceId", "sample_rate": "sampleRate",
    "sample_rate_hz": "sampleRate",
}  # fmt: skip
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
