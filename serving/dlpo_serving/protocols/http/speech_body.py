"""The JSON body of POST /v1/audio/speech: OpenAI's fields plus our own."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from dlpo.bundle import MAX_VOICE_NAME
from dlpo.text.common.reading import Code, Dates, Emoji
from dlpo.text.common.ssml import SSML
from dlpo_serving.captions import FORMATS
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.protocols.http.statuses import BodyError, UnknownModelError
from dlpo_serving.request import SpeechRequest, check_dictionary, check_length

StreamFormat = Literal["audio", "sse", "dlpo"]

MODELS = (
    "dlpo",
    "tts-1",
    "tts-1-hd",
    "gpt-4o-mini-tts",
    "kokoro",
)  # all equivalent: the voice decides
SPEEDS = (0.25, 4.0)  # what OpenAI's API accepts; a voice's own range may be narrower
PCM_RATE_HZ = 24_000  # of OpenAI's headerless pcm; clients assume it
ENCODINGS = {
    "mp3": Encoding.MP3,
    "opus": Encoding.OGG_OPUS,
    "aac": Encoding.AAC,
    "flac": Encoding.FLAC,
    "wav": Encoding.WAV,
    "pcm": Encoding.PCM_S16,
    "mulaw": Encoding.MULAW,  # for telephony; these two are not OpenAI's
    "alaw": Encoding.ALAW,
}
ALIASES = {"ogg": "opus", "ogg_opus": "opus", "mpeg": "mp3", "wave": "wav", "pcm16": "pcm",
           "pcm_s16le": "pcm", "ulaw": "mulaw", "mu-law": "mulaw", "pcmu": "mulaw",
           "a-law": "alaw", "pcma": "alaw"}  # other names of formats  # fmt: skip
MOST_FIELDS = 500
NAMED = 4  # names listed in a message; the rest are counted
_SHORT = reprlib.Repr()  # for callers' values, which may be large
_SHORT.maxlevel, _SHORT.maxstring = 1, 60


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
    """audio only; OpenAI's events; our own events with word timestamps"""
    timeout_s: float | None
    """seconds the client will wait for the complete reply; None: no limit"""
    stream: bool = False
    """start sending immediately, even if a WAV header then lacks the length"""
    ignored: tuple[str, ...] = ()
    """names of unknown fields"""
    has_instructions: bool = False
    """the voices have no adjustable style, so these are ignored"""
    captions: str = ""
    """their format, if a client asks for captions in place of audio"""


def read_speech_fields(given: Mapping[str, Any], strict: bool = False) -> SpeechBody:
    """Validate a JSON object as far as possible without knowing the voice.

    Args:
        strict: reject unknown fields.

    Raises:
        RequestError: a field is missing, too long, of the wrong type or out of OpenAI's range, or
            unknown and `strict` is set.
        UnknownModelError: no such model.
    """
    values = {name: v for name, v in given.items() if v is not None}
    for name in BOUNDED & values.keys():
        _check_length(name, values[name])
    unknown = [name for name in values if name not in FIELDS]
    if unknown and strict:
        raise RequestError(_unknown(unknown))
    try:
        fields = _Fields.model_validate(values)
    except ValidationError as error:  # at most one per field
        raise RequestError(*(_violation(each, values) for each in error.errors())) from error
    if fields.model.lower() not in MODELS:
        raise UnknownModelError(fields.model, MODELS)
    rate, timeout_s = fields.sample_rate, fields.timeout_s
    spoken = {name: value for name, value in fields if name in SPOKEN}
    return SpeechBody(
        SpeechRequest(fields.input, **spoken),
        fields.voice,
        ENCODINGS.get(fields.response_format, Encoding.PCM_S16),
        PCM_RATE_HZ if fields.response_format == "pcm" and rate is None else rate,
        fields.stream_format,
        timeout_s if math.isfinite(timeout_s) else None,
        fields.stream,
        tuple(unknown),
        bool(fields.instructions),
        fields.response_format if fields.response_format in FORMATS else "",
    )


def json_object(content: bytes, what: str = "body") -> dict[str, Any]:
    """Parse a JSON object in UTF-8; `what` it is, for errors.

    Raises:
        BodyError: it is not one.
    """
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
        if b"\\u" in content:  # possibly a lone surrogate, which no UTF-8 text can hold
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BodyError(f"the {what} is not JSON in UTF-8: {reason}", 400) from error
    if not isinstance(value, dict):
        raise BodyError(f"the {what} is a {type(value).__name__}; expected a JSON object", 400)
    if len(value) > MOST_FIELDS:  # before any is looked at
        raise BodyError(f"the {what} has {len(value)} fields; expected {MOST_FIELDS} at most", 400)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_length(name: str, value: Any) -> None:
    if name == "voice":
        check_length(name, _id_of(value), MAX_VOICE_NAME)
    elif name == "dictionary" and isinstance(value, dict):
        check_dictionary(value)
    else:
        check_length(name, value)


def _id_of(voice: Any) -> Any:
    """OpenAI's voices are names, or objects with the id of a custom voice."""
    return voice.get("id") if isinstance(voice, dict) else voice


def _format_of(name: Any) -> Any:
    """Formats go by several names, in any case."""
    return ALIASES.get(name.lower(), name.lower()) if isinstance(name, str) else name


def _ssml_of(value: Any) -> Any:
    """How a document is read, or whether the text is one at all."""
    return SSML[0] if value is True else "" if value is False else value


def _words(dictionary: dict[str, Any]) -> dict[str, str]:
    """Report only the first invalid value, since a body has room for thousands."""
    for word, phonemes in dictionary.items():
        if not isinstance(phonemes, str):
            what = f"{shortened(word)!r} is {_SHORT.repr(phonemes)}; expected a string of phonemes"
            raise PydanticCustomError("word", "{what}", {"what": what})
    return dictionary


class _Fields(BaseModel):
    """The fields of the JSON object; null means absent."""

    model_config = ConfigDict(strict=True)

    model: str = "dlpo"
    input: str
    voice: Annotated[str, BeforeValidator(_id_of)] = ""
    instructions: str = ""  # accepted and ignored: these voices have no adjustable style
    response_format: Annotated[
        Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "mulaw", "alaw", "srt", "vtt", "json"],
        BeforeValidator(_format_of),
    ] = "mp3"
    speed: Annotated[float, Field(ge=SPEEDS[0], le=SPEEDS[1])] = 1.0
    stream_format: StreamFormat = "audio"
    stream: bool = False
    sample_rate: int | None = None
    seed: int = 0
    steps: int | None = None
    pitch_semitones: float = 0.0
    volume_db: float = 0.0
    ssml: Annotated[Literal["", "lenient", "strict"], BeforeValidator(_ssml_of)] = ""
    code: Code = "announce"
    emoji: Emoji = "skip"
    dates: Dates = "usual"
    directions: bool = False
    language: str = ""
    dictionary: Annotated[dict[str, Any], AfterValidator(_words)] = {}
    sentence_pause_s: float | None = None
    paragraph_pause_s: float | None = None
    lead_in_s: float | None = None
    timeout_s: Annotated[float, Field(ge=0)] = math.inf


FIELDS = tuple(_Fields.model_fields)
BOUNDED = set(FIELDS) - {"input", "instructions"}  # a text, and what nothing reads
SPOKEN = set(FIELDS) & {field.name for field in dataclasses.fields(SpeechRequest)}


def schema() -> dict[str, Any]:
    """JSON Schema of the body."""
    return {**_Fields.model_json_schema(), "title": "Speech"}


def named(names: Sequence[str]) -> str:
    """Caller-chosen names, shortened for a message."""
    quoted = [repr(shortened(name)) for name in names[:NAMED]]
    return ", ".join([*quoted, *([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])])


def _unknown(names: list[str]) -> FieldViolation:
    first, *others = names
    too = f" (also {named(others)})" if others else ""
    return FieldViolation(
        shortened(first), f"is unknown{too}; this server takes {', '.join(FIELDS)}"
    )


def _violation(error: ErrorDetails, values: dict[str, Any]) -> FieldViolation:
    name = str(error["loc"][0])
    match error["type"], name:
        case "missing", _:
            return FieldViolation(name, "is missing; expected a string")
        case "word", _:
            return FieldViolation(name, error["msg"])
        case (("greater_than_equal" | "less_than_equal"), "speed"):
            expected = f"{SPEEDS[0]:g} to {SPEEDS[1]:g}"
        case "greater_than_equal", _:
            expected = "0 or more"
        case _, "ssml":
            expected = f"{' or '.join(map(repr, SSML))}, true or false"
        case _, "voice":
            expected = "a name, or an object with an id"
        case _:
            expected = error["msg"].removeprefix("Input should be ")
    return FieldViolation(name, f"is {_SHORT.repr(values[name])}; expected {expected}")
