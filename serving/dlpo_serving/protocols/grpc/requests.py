"""Requests of `dlpo.v1` -> calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo.text.common.reading import CODE, DATES, EMOJI
from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.wire import read_encoding
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.further_text import Flush
from dlpo_serving.request import OPTIONAL, SpeechRequest, SynthesisCall, check_dictionary

# Number in a message -> value in a request; 0 means the default, the first value.
CODE_READINGS = dict(enumerate((CODE[0], *CODE)))
EMOJI_READINGS = dict(enumerate((EMOJI[0], *EMOJI)))
_OWN_FIELDS = ("text", "ssml", "config", "part")  # of a request message; others are in its config


def read_call(
    config: speech_pb2.SynthesisConfig,
    timeout_s: float | None,
    streamed: bool,
    text: str = "",
    ssml: str = "",
) -> SynthesisCall:
    """Build a call from a configuration and a text; values are validated where they are used.

    Raises:
        RequestError: both text and SSML are set, a string is too long, or the encoding is unknown.
    """
    if text and ssml:
        raise RequestError(FieldViolation("ssml", "is set in addition to text; send one of them"))
    check_dictionary(config.dictionary)  # before it is copied
    request = SpeechRequest(
        text=ssml or text,
        speed=config.speed if config.HasField("speed") else 1.0,
        pitch_semitones=config.pitch_semitones,
        seed=config.seed,
        steps=config.steps or None,
        dictionary=dict(config.dictionary),
        ssml=config.ssml or bool(ssml),
        volume_db=config.volume_db,
        code=CODE_READINGS.get(config.code, str(config.code)),
        emoji=EMOJI_READINGS.get(config.emoji, str(config.emoji)),
        language=config.language,
        dates=config.dates or DATES[0],
        directions=config.directions,
        **{name: getattr(config, name) for name in OPTIONAL if config.HasField(name)},
    )
    return SynthesisCall(
        request=request,
        voice=config.voice,
        encoding=read_encoding(config.encoding),
        sample_rate_hz=config.sample_rate_hz or None,
        timeout_s=timeout_s,
        streamed=streamed,
        file=not streamed,
        first_audio_ms=config.first_audio_ms if config.HasField("first_audio_ms") else None,
    )


def field_path(name: str, request: object = None) -> str:
    """Name of a `SpeechRequest` field -> its path in a request message.

    Args:
        request: the only request of the call; None if they are streamed.
    """
    if name == "text" and getattr(request, "ssml", False):
        return "ssml"
    return name if name in _OWN_FIELDS else f"config.{name}"


async def read_pieces(
    messages: AsyncIterator[speech_pb2.IncrementalSynthesizeRequest],
) -> AsyncIterator[str | Flush]:
    """The text of the messages after the first.

    Raises:
        RequestError: the configuration is repeated, or a message is empty.
    """
    async for message in messages:
        match message.WhichOneof("part"):
            case "text":
                yield message.text
            case "flush":
                yield Flush()
            case "config":
                twice = "is sent twice; start a new call to change settings"
                raise RequestError(FieldViolation("config", twice))
            case None:
                raise RequestError(FieldViolation("part", "is not set; expected text or flush"))
