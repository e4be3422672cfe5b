"""Cartesia's JSON -> what `read_speech_fields` reads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.protocols.http.dialects import object_of
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.protocols.http.statuses import IN_OUTPUT_FORMAT, Names
from dlpo_serving.request import PAUSES

NAMES: Names = IN_OUTPUT_FORMAT | {
    "text": "transcript", "input": "transcript", "speed": "generation_config.speed",
    "volume_db": "generation_config.volume",
}  # fmt: skip
RAW = {
    "pcm_s16le": Encoding.PCM_S16,
    "pcm_f32le": Encoding.PCM_F32,
    "pcm_mulaw": Encoding.MULAW,
    "pcm_alaw": Encoding.ALAW,
}
CONTAINERS = {"wav": Encoding.WAV, "mp3": Encoding.MP3}
# One of their IDs, which means our default voice.
STOCK_VOICE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def read_message(message: Mapping[str, Any], text: str) -> SpeechBody:
    """What a request or the first message of a context asks for.

    Raises:
        RequestError: see `read_speech_fields`.
    """
    output, tuning = object_of(message, "output_format"), object_of(message, "generation_config")
    fields = {
        "input": text,
        "voice": _voice(message),
        "language": message.get("language"),
        "sample_rate": output.get("sample_rate"),
        "speed": tuning.get("speed"),
        "volume_db": _decibels(tuning.get("volume")),
        "seed": message.get("seed"),
        "dictionary": message.get("dictionary"),
        **{name: message.get(name) for name in (*PAUSES, "first_audio_ms")},
    }
    return replace(read_speech_fields(fields), encoding=_encoding(output))


def _voice(message: Mapping[str, Any]) -> str:
    voice = message.get("voice") or ""
    name = voice.get("id") if isinstance(voice, dict) else voice
    if not isinstance(name, str):
        raise RequestError(FieldViolation("voice", "has no id; voices can't be embeddings here"))
    return "" if STOCK_VOICE.fullmatch(name) else name


def _encoding(output: Mapping[str, Any]) -> Encoding:
    container, encoding = output.get("container", "raw"), output.get("encoding", "pcm_s16le")
    known = RAW if container == "raw" else CONTAINERS
    name = encoding if container == "raw" else container
    if not isinstance(name, str) or name not in known:
        what = f"has {shortened(str(name))}; expected raw with {', '.join(RAW)}, or wav, or mp3"
        raise RequestError(FieldViolation("output_format", what))
    return known[name]


def _decibels(volume: object) -> float | None:
    if volume is None:
        return None
    if isinstance(volume, bool) or not isinstance(volume, int | float) or not 0 < volume < 100:
        raise RequestError(FieldViolation("volume", "expected a factor above 0, at most 100"))
    return 20 * math.log10(volume)
