"""The JSON body of POST /v1/audio/speech: OpenAI's fields, and ours beside them."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

from dlpo_serving.encodings import Encoding
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.http.statuses import BodyError, UnknownModelError
from dlpo_serving.request import SpeechRequest

StreamFormat = Literal["audio", "sse", "dlpo"]

MODELS = ("dlpo", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")  # all the same: the voice decides
SPEEDS = (0.25, 4.0)  # what OpenAI's API takes; a voice's own range may be narrower
PCM_RATE_HZ = 24_000  # of OpenAI's headerless pcm: clients take it for granted
ENCODINGS = {
    "mp3": Encoding.MP3,
    "opus": Encoding.OGG_OPUS,
    "aac": Encoding.AAC,
    "flac": Encoding.FLAC,
    "wav": Encoding.WAV,
    "pcm": Encoding.PCM_S16,
}
FIELDS = (
    "model",
    "input",
    "voice",
    "instructions",
    "response_format",
    "speed",
    "stream_format",
    "sample_rate",
    "seed",
    "steps",
    "pitch_semitones",
    "volume_db",
    "ssml",
    "dictionary",
    "timeout_s",
)


@dataclass(frozen=True, slots=True)
class SpeechBody:
    """What a client asks for."""

    request: SpeechRequest
    voice: str
    """empty: the server's default"""
    encoding: Encoding
    sample_rate_hz: int | None
    """None: the encoding's usual rate for the voice"""
    stream_format: StreamFormat
    """audio alone; OpenAI's events; our own events with words and their times"""
    timeout_s: float | None
    """seconds that the client will wait for the end of the reply; None: as long as it takes"""


def parse_speech_body(content: bytes) -> SpeechBody:
    """Check what can be checked without a voice.

    Raises:
        BodyError: it is no JSON object.
        RequestError: a field is missing, unknown, of the wrong type or out of OpenAI's range.
        UnknownModelError: no such model.
    """
    fields = _Fields(_json_object(content))
    fields.refuse_unknown()
    model = fields.text("model", "dlpo")
    if model not in MODELS:
        raise UnknownModelError(model, MODELS)
    name = fields.choice("response_format", tuple(ENCODINGS), "mp3")
    rate = fields.whole("sample_rate")
    timeout_s = fields.number("timeout_s", math.inf, (0.0, math.inf))
    fields.text("instructions", "")  # checked like the rest; this voice has no moods to follow
    request = SpeechRequest(
        text=fields.text("input"),
        speed=fields.number("speed", 1.0, SPEEDS),
        pitch_semitones=fields.number("pitch_semitones", 0.0),
        volume_db=fields.number("volume_db", 0.0),
        seed=fields.whole("seed") or 0,
        steps=fields.whole("steps"),
        dictionary=fields.words("dictionary"),
        ssml=fields.flag("ssml"),
    )
    return SpeechBody(
        request,
        fields.voice(),
        ENCODINGS[name],
        PCM_RATE_HZ if name == "pcm" and rate is None else rate,
        fields.choice("stream_format", get_args(StreamFormat), "audio"),
        timeout_s if math.isfinite(timeout_s) else None,
    )


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
        if b"\\u" in content:  # which can spell half a surrogate pair: no text anywhere can hold it
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or nested without end
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BodyError(f"the body is not JSON in UTF-8: {reason}", 400) from error
    if not isinstance(value, dict):
        raise BodyError(f"the body is a {type(value).__name__}; expected a JSON object", 400)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class _Fields:
    """The members of the JSON object, taken by type; null stands for a member that is absent."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}

    def refuse_unknown(self) -> None:
        for name in self._values:
            if name not in FIELDS:
                _refuse(name[:80], f"is unknown; this server takes {', '.join(FIELDS)}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if value is None:
            _refuse(name, "is missing; expected a string")
        if not isinstance(value, str):
            _refuse(name, f"is {_shown(value)}; expected a string")
        return value

    def number(
        self, name: str, default: float, limits: tuple[float, float] = (-math.inf, math.inf)
    ) -> float:
        value = self._values.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            _refuse(name, f"is {_shown(value)}; expected a number")
        low, high = limits
        if not low <= value <= high:
            _refuse(name, f"is {_shown(value)}; expected {low:g} to {high:g}")
        try:
            return float(value)
        except OverflowError:
            _refuse(name, "is too large; expected a number that a double can hold")

    def whole(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            _refuse(name, f"is {_shown(value)}; expected a whole number")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            _refuse(name, f"is {_shown(value)}; expected true or false")
        return value

    def choice(self, name: str, known: tuple[str, ...], default: str) -> Any:
        value = self.text(name, default)
        if value not in known:
            _refuse(name, f"is {_shown(value)}; expected one of {', '.join(known)}")
        return value

    def words(self, name: str) -> dict[str, str]:
        value = self._values.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            _refuse(name, f"is {_shown(value)}; expected an object of words and their phonemes")
        return value

    def voice(self) -> str:
        """OpenAI's voices are names, or objects with the id of a custom voice."""
        value = self._values.get("voice", "")
        if isinstance(value, dict):
            value = value.get("id")
        if not isinstance(value, str):
            _refuse("voice", f"is {_shown(value)}; expected a name, or an object with an id")
        return value


def _refuse(name: str, message: str) -> NoReturn:
    raise RequestError(FieldViolation(name, message))


def _shown(value: object) -> str:
    """A value of the caller's, short enough for a message."""
    short = reprlib.Repr()
    short.maxstring = 60
    return short.repr(value)
