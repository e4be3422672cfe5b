"""The JSON body of POST /v1/audio/speech: OpenAI's fields, and ours beside them."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dlpo_serving.encodings.formats import Encoding
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
    values = {name: v for name, v in _json_object(content).items() if v is not None}
    try:
        fields = _Fields.model_validate(values)
    except ValidationError as error:
        raise RequestError(*map(_violation, error.errors(include_url=False))) from error
    if fields.model not in MODELS:
        raise UnknownModelError(fields.model, MODELS)
    rate, timeout_s = fields.sample_rate, fields.timeout_s
    request = SpeechRequest(
        text=fields.input,
        speed=fields.speed,
        pitch_semitones=fields.pitch_semitones,
        volume_db=fields.volume_db,
        seed=fields.seed,
        steps=fields.steps,
        dictionary=fields.dictionary,
        ssml=fields.ssml,
    )
    return SpeechBody(
        request,
        fields.voice,
        ENCODINGS[fields.response_format],
        PCM_RATE_HZ if fields.response_format == "pcm" and rate is None else rate,
        fields.stream_format,
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


def _id_of(voice: Any) -> Any:
    """OpenAI's voices are names, or objects with the id of a custom voice."""
    return voice.get("id") if isinstance(voice, dict) else voice


class _Fields(BaseModel):
    """The members of the JSON object; null stands for one that is absent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = "dlpo"
    input: str
    voice: Annotated[str, BeforeValidator(_id_of)] = ""
    instructions: str = ""  # taken like the rest; these voices have no moods to follow
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Field(ge=SPEEDS[0], le=SPEEDS[1])] = 1.0
    stream_format: StreamFormat = "audio"
    sample_rate: int | None = None
    seed: int = 0
    steps: int | None = None
    pitch_semitones: float = 0.0
    volume_db: float = 0.0
    ssml: bool = False
    dictionary: dict[str, str] = {}
    timeout_s: Annotated[float, Field(ge=0)] = math.inf


FIELDS = tuple(_Fields.model_fields)


def _violation(error: ErrorDetails) -> FieldViolation:
    name = str(error["loc"][0])[:80]
    match error["type"]:
        case "missing":
            return FieldViolation(name, "is missing; expected a string")
        case "extra_forbidden":
            return FieldViolation(name, f"is unknown; this server takes {', '.join(FIELDS)}")
    short = reprlib.Repr()  # of the caller's, who may have sent much
    short.maxstring = 60
    expected = error["msg"].replace("Input should be", "expected")
    return FieldViolation(name, f"is {short.repr(error['input'])}; {expected}")
