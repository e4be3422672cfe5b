"""Riva's requests -> calls."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from dlpo.bundle import MAX_VOICE_NAME
from dlpo_serving.encodings.formats import AudioFormat, Encoding, usual_format
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.protocols.riva.proto import riva_audio_pb2, riva_tts_pb2
from dlpo_serving.request import MAX_DICTIONARY, PAUSES, SpeechRequest, SynthesisCall, check_length

FIRST_AUDIO = "first_audio_ms"
# Keys of custom_configuration, and what reads their values.
SETTINGS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("speed", "pitch_semitones", "volume_db", FIRST_AUDIO, *PAUSES), float),
    **dict.fromkeys(("seed", "steps"), int),
    **dict.fromkeys(("code", "emoji", "dates", "ssml"), str),
    "directions": lambda value: value.lower() == "true",
}
_ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: Encoding.PCM_S16,
    riva_audio_pb2.LINEAR_PCM: Encoding.PCM_S16,
    riva_audio_pb2.FLAC: Encoding.FLAC,
    riva_audio_pb2.MULAW: Encoding.MULAW,
    riva_audio_pb2.OGGOPUS: Encoding.OPUS_FRAMED,
    riva_audio_pb2.ALAW: Encoding.ALAW,
}
FAMILY = "dlpo"  # clients join a family and its members with a dot: "dlpo.lj"
# What clients request by default: "English-US.Female-1" is in NVIDIA's tutorials,
# "Magpie-Multilingual.EN-US.Aria" is Pipecat's default, "...Leo" LiveKit's.
_STOCK = re.compile(r"English-US[\w.-]*|[\w-]+\.en-us\.[\w.-]+", re.IGNORECASE)
Request = riva_tts_pb2.SynthesizeSpeechRequest


def read_call(
    request: Request, voices: Collection[str], timeout_s: float | None, streamed: bool
) -> SynthesisCall:
    """Convert a request to a call; values are validated where they are used.

    Args:
        request: the first one, if the caller streams several.
        voices: names of those that the server has.
        timeout_s: seconds until the caller's deadline; None if it has none.
        streamed: whether the audio is played while it is generated.

    Raises:
        RequestError: a field is invalid, or asks for something that dlpo lacks.
    """
    if request.HasField("zero_shot_data"):
        message = "asks to imitate a recording; dlpo's voices are trained: leave it out"
        raise RequestError(FieldViolation("zero_shot_data", message))
    settings = {name: _setting(name, v) for name, v in request.custom_configuration.items()}
    first_audio_ms = settings.pop(FIRST_AUDIO, None)
    encoding = _read_encoding(request.encoding)
    spoken: dict[str, Any] = {
        "dictionary": read_dictionary(request.custom_dictionary),
        "alphabet": "ipa",
        "language": request.language_code,
        **settings,
        "steps": settings.get("steps") or None,
    }
    return SynthesisCall(
        request=SpeechRequest(request.text, **spoken),
        voice=requested_voice(request.voice_name, voices),
        encoding=encoding,
        sample_rate_hz=_rate(encoding, request.sample_rate_hz),
        timeout_s=timeout_s,
        streamed=streamed,
        file=not streamed,
        first_audio_ms=first_audio_ms,
    )


def field_path(name: str, request: object = None) -> str:
    """Name of a `SpeechRequest` field -> its path in any request message."""
    if name in SETTINGS:
        return f"custom_configuration[{name}]"
    names = {"dictionary": "custom_dictionary", "voice": "voice_name"}
    return {**names, "language": "language_code"}.get(name, name)


def _read_encoding(number: riva_audio_pb2.AudioEncoding) -> Encoding:
    if number not in _ENCODINGS:
        known = ", ".join(f"{name} ({n})" for name, n in riva_audio_pb2.AudioEncoding.items())
        raise RequestError(FieldViolation("encoding", f"is {number}; this server knows {known}"))
    return _ENCODINGS[number]


def _rate(encoding: Encoding, rate_hz: int) -> int | None:
    """The rate to use if a caller names one.

    Opus has five rates. Its packets don't state theirs, and clients decode at whichever they like:
    any other rate is rounded up to the next of the five.
    """
    if rate_hz and encoding is Encoding.OPUS_FRAMED:
        asked = AudioFormat(Encoding.PCM_S16, rate_hz)  # checks the range common to all encodings
        return usual_format(encoding, asked.sample_rate_hz).sample_rate_hz
    return rate_hz or None


def _setting(name: str, value: str) -> Any:
    """The value of a key of custom_configuration."""
    if name not in SETTINGS:
        message = f"has {name[:40]!r}; this server knows {', '.join(SETTINGS)}"
        raise RequestError(FieldViolation("custom_configuration", message))
    check_length(name, value)
    try:
        return SETTINGS[name](value)
    except ValueError:
        expected = "a whole number" if SETTINGS[name] is int else "a number"
        message = f"is {value[:40]!r}; expected {expected}"
        raise RequestError(FieldViolation(name, message)) from None


def read_dictionary(text: str) -> dict[str, str]:
    """Word -> its pronunciation in IPA, which is parsed once the call is admitted.

    Args:
        text: comma-separated entries of a word, two spaces and its pronunciation in IPA.

    Raises:
        RequestError: an entry is malformed, or there are too many.
    """
    check_length("dictionary", text, 2 * MAX_DICTIONARY)  # with commas and blanks
    found = {}
    for entry in text.split(","):
        word, blanks, pronunciation = entry.strip().partition("  ")
        if blanks:
            found[word] = pronunciation
        elif word:
            message = f"has {word[:40]!r}; expected WORD, two spaces, PRONUNCIATION in IPA"
            raise RequestError(FieldViolation("dictionary", message))
    return found


def requested_voice(name: str, known: Collection[str]) -> str:
    """Resolve a caller's voice name to one of `known`; "" is the default voice.

    NVIDIA's own American voices map to the default one, so that a client with default settings
    works once its address is changed. An unknown name is returned as it is.

    Raises:
        RequestError: the name is too long.
    """
    check_length("voice", name, MAX_VOICE_NAME)
    if name in known:
        return name
    if name.removeprefix(f"{FAMILY}.") in known:
        return name.removeprefix(f"{FAMILY}.")
    if _STOCK.fullmatch(name):
        return ""
    return name


async def read_further_texts(
    first: Request, requests: AsyncIterator[Request], texts: list[Request]
) -> AsyncIterator[SpeechRequest]:
    """Yield later texts, and append them to `texts`; skip those without letters or digits.

    Raises:
        RequestError: a request changes more than the text and id.
    """
    async for request in requests:
        if _settings(request) != _settings(first):
            message = "changes settings within the call; only text and id may, begin another call"
            raise RequestError(FieldViolation("request", message))
        if any(character.isalnum() for character in request.text):
            texts.append(request)
            yield SpeechRequest(request.text)


def _settings(request: Request) -> Request:
    """A request without the fields that are specific to its text."""
    settings = Request()
    settings.CopyFrom(request)
    settings.ClearField("text")
    settings.ClearField("id")
    return settings
