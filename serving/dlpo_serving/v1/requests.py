"""Messages of `dlpo.v1` in the words of the rest of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from dlpo.v1 import speech_pb2
from dlpo_serving.call import Call
from dlpo_serving.registration import Undecodable, decoded
from dlpo_serving.request import RequestError, SpeechRequest, Violation
from dlpo_serving.statuses import FieldPath
from dlpo_serving.v1.wire import field_path, read_encoding
from dlpo_serving.written_text import Flush

Incoming = AsyncIterator[speech_pb2.IncrementalSynthesizeRequest | Undecodable]


class TextRequest(Protocol):
    """SynthesizeRequest or StreamSynthesizeRequest."""

    text: str
    ssml: str

    @property
    def config(self) -> speech_pb2.SynthesisConfig: ...


def read_call(request: TextRequest, timeout_s: float | None, streamed: bool) -> Call:
    """What a caller wants who sends the whole text.

    Raises:
        RequestError: both text and SSML are set, or the encoding is unknown.
    """
    if request.text and request.ssml:
        raise RequestError(Violation("ssml", "is set beside text; send one of the two"))
    text, ssml = request.ssml or request.text, bool(request.ssml)
    return config_call(request.config, timeout_s, streamed, text, ssml)


def field_path_in(request: TextRequest | Undecodable) -> FieldPath:
    """`field_path`, where the text may be SSML."""
    if isinstance(request, Undecodable) or not request.ssml:
        return field_path
    return lambda name: "ssml" if name == "text" else field_path(name)


def config_call(
    config: speech_pb2.SynthesisConfig,
    timeout_s: float | None,
    streamed: bool,
    text: str = "",
    ssml: bool = False,
) -> Call:
    """What a caller wants; the values are checked where they are used.

    Raises:
        RequestError: the encoding is unknown.
    """
    request = SpeechRequest(
        text=text,
        speed=config.speed if config.HasField("speed") else 1.0,
        pitch_semitones=config.pitch_semitones,
        seed=config.seed,
        steps=config.steps or None,
        dictionary=dict(config.dictionary),
        ssml=ssml,
        volume_db=config.volume_db,
    )
    return Call(
        request=request,
        voice=config.voice,
        encoding=read_encoding(config.encoding),
        sample_rate_hz=config.sample_rate_hz or None,
        timeout_s=timeout_s,
        streamed=streamed,
    )


async def read_config(messages: Incoming) -> speech_pb2.SynthesisConfig:
    """The first message of a text in pieces.

    Raises:
        RequestError: it is missing, or something else.
        UndecodableError: its bytes are no message.
    """
    got = "nothing"
    async for incoming in messages:
        message = decoded(incoming)
        if message.HasField("config"):
            return message.config
        got = message.WhichOneof("part") or got
        break
    raise RequestError(Violation("config", f"must come first; got {got}"))


async def read_pieces(messages: Incoming) -> AsyncIterator[str | Flush]:
    """The text of the messages after the first.

    Raises:
        RequestError: the settings come again, or a message says nothing.
        UndecodableError: the bytes of a message are none.
    """
    async for incoming in messages:
        message = decoded(incoming)
        match message.WhichOneof("part"):
            case "text":
                yield message.text
            case "flush":
                yield Flush()
            case "config":
                expected = "settings can't change within a call; begin another one for them"
                raise RequestError(Violation("config", f"came twice; {expected}"))
            case None:
                raise RequestError(Violation("part", "is not set; expected text or flush"))
