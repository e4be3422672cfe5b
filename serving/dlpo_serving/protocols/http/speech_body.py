"""The JSON body of POST /v1/audio/speech: OpenAI's fields plus our own."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

from dlpo.bundle import MAX_VOICE_NAME
from dlpo.config.fields import NotNegative, Positive, Range, kinds_of
from dlpo.config.schema import properties_of
from dlpo.config.strict import Before, WrongValueError, converted
from dlpo_serving.captions import FORMATS
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.protocols.http.statuses import BodyError, UnknownModelError
from dlpo_serving.request import SpeechRequest, check_dictionary, check_length
from dlpo_serving.voices.inline_phonemes import as_ssml

StreamFormat = Literal["audio", "sse", "dlpo"]

MODELS = (
    "dlpo",
    "tts-1",
    "tts-1-hd",
    "gpt-4o-mini-tts",
    "kokoro",
)  # all equivalent: the voice decides
SPEEDS = Range(ge=0.25, le=4)  # what OpenAI's API accepts; a voice's own range may be narrower
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
RAW = (Encoding.PCM_S16, Encoding.PCM_F32, Encoding.MULAW, Encoding.ALAW)
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
    first_audio_ms: float | None = None
    """see `SynthesisCall`"""

    @property
    def is_live(self) -> bool:
        """Whether it asks to be heard while it is made: streamed, as events, or without a file's
        header."""
        if self.captions:
            return False
        return self.stream or self.stream_format != "audio" or self.encoding in RAW


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
    missing = (
        [FieldViolation("input", "is missing; expected text")] if "input" not in values else []
    )
    found, wrong = converted(KINDS, {name: values[name] for name in values if name in FIELDS})
    if missing or wrong:  # at most one per field
        raise RequestError(*missing, *map(_violation, wrong))
    fields = _Fields(**{name: value for name, value in found.items() if name not in SPOKEN})
    if fields.model.lower() not in MODELS:
        raise UnknownModelError(fields.model, MODELS)
    rate, timeout_s = fields.sample_rate, fields.timeout_s
    spoken = {name: value for name, value in found.items() if name in (*SPOKEN, "speed")}
    text = fields.input
    if fields.allow_voice_tags and not spoken.get("ssml"):
        text, spoken["ssml"] = as_ssml(text), True
    return SpeechBody(
        SpeechRequest(text, **spoken),
        fields.voice,
        ENCODINGS.get(fields.response_format, Encoding.PCM_S16),
        PCM_RATE_HZ if fields.response_format == "pcm" and rate is None else rate,
        fields.stream_format,
        timeout_s,
        fields.stream,
        tuple(unknown),
        bool(fields.instructions),
        fields.response_format if fields.response_format in FORMATS else "",
        fields.first_audio_ms,
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


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of the JSON object that are no `SpeechRequest`'s; null means absent."""

    input: str
    """The text, or an SSML document."""
    model: str = "dlpo"
    """Any of /v1/models: the voice decides."""
    voice: Annotated[str, Before(_id_of)] = ""
    """A name from /v1/voices or of OpenAI's and Kokoro's, in any case, a mix such as
    lj*0.6+nova*0.4, or an object with such an id; by default, the first that speaks the text's
    language."""
    instructions: str = ""
    """Accepted and ignored: the voices have no adjustable style."""
    response_format: Annotated[
        Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "mulaw", "alaw", "srt", "vtt", "json"],
        Before(_format_of),
    ] = "mp3"
    """Format of the audio; pcm has 16 bits and no header. The last three are captions without
    audio."""
    speed: Annotated[float, SPEEDS] = 1.0
    """Speaking rate; clamped to the range of the voice with a warning, or strictly an error."""
    stream_format: StreamFormat = "audio"
    """Audio alone, OpenAI's events, or dlpo's events with times of words."""
    stream: bool = False
    """Start even a short WAV before its length is known."""
    first_audio_ms: Positive | None = None
    """Latest first audio in milliseconds; a call that would be later is refused at once."""
    sample_rate: int | None = None
    """Sample rate in Hz; by default, the format's usual one: 24,000 for pcm, otherwise the
    voice's."""
    allow_voice_tags: bool = False
    """Kokoro-FastAPI's: [voice:bella] and [rate:1.2] in the text hold for what follows."""
    timeout_s: NotNegative | None = None
    """Seconds to wait for the whole reply; past it 504, or a truncated body."""


OWN = tuple(kinds_of(_Fields))
SPOKEN = tuple(set(kinds_of(SpeechRequest)) - {"text", "alphabet", *OWN})
KINDS = {
    **{name: kind for name, kind in kinds_of(SpeechRequest).items() if name in SPOKEN},
    **kinds_of(_Fields),
    "dictionary": dict[str, str],
}
FIELDS = (*OWN, *(name for name in KINDS if name in SPOKEN))
BOUNDED = set(FIELDS) - {"input", "instructions"}  # a text, and what nothing reads


def schema() -> dict[str, Any]:
    """JSON Schema of the body."""
    found = {**properties_of(SpeechRequest), **properties_of(_Fields)}
    properties = {name: found[name] for name in FIELDS}
    return {"title": "Speech", "type": "object", "properties": properties, "required": ["input"]}


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


def _violation(wrong: WrongValueError) -> FieldViolation:
    name, _, word = wrong.where.partition(".")
    is_of = f"{shortened(word)!r} is" if word else "is"
    return FieldViolation(name, f"{is_of} {_SHORT.repr(wrong.value)}; expected {wrong.expected}")
