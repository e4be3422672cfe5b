"""A Riva request in the words of the rest of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlpo_serving.call import Call
from dlpo_serving.encodings import AudioFormat, Encoding, usual_format
from dlpo_serving.request import RequestError, SpeechRequest, Violation
from dlpo_serving.riva.dictionary import FIELD as DICTIONARY
from dlpo_serving.riva.dictionary import read_dictionary
from dlpo_serving.riva.proto import riva_audio_pb2, riva_tts_pb2

SETTINGS = ("speed", "pitch_semitones", "volume_db", "seed", "steps")  # of custom_configuration

_DOCUMENT = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!DOCTYPE|<speak[\s/>])")
_ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: Encoding.PCM_S16,
    riva_audio_pb2.LINEAR_PCM: Encoding.PCM_S16,
    riva_audio_pb2.FLAC: Encoding.FLAC,
    riva_audio_pb2.MULAW: Encoding.MULAW,
    riva_audio_pb2.OGGOPUS: Encoding.OPUS_FRAMED,
    riva_audio_pb2.ALAW: Encoding.ALAW,
}


def read_call(
    request: riva_tts_pb2.SynthesizeSpeechRequest,
    voice: str,
    timeout_s: float | None,
    streamed: bool,
) -> Call:
    """What a caller wants; the values are checked where they are used.

    Args:
        request: its first text, if it streams several.
        voice: whom `request.voice_name` means.
        timeout_s: after which the caller will not listen any more; None if it has no such time.
        streamed: played while it is made.

    Raises:
        RequestError: a field asks for what dlpo has not, or is not what it should be.
    """
    if request.HasField("zero_shot_data"):
        message = "asks to imitate a recording; dlpo's voices are trained: leave it out"
        raise RequestError(Violation("zero_shot_data", message))
    settings = request.custom_configuration
    for name in settings:
        if name not in SETTINGS:
            message = f"has {name[:40]!r}; this server knows {', '.join(SETTINGS)}"
            raise RequestError(Violation("custom_configuration", message))
    encoding = _read_encoding(request.encoding)
    return Call(
        request=SpeechRequest(
            text=request.text,
            speed=_real(settings, "speed", 1.0),
            pitch_semitones=_real(settings, "pitch_semitones", 0.0),
            seed=_whole(settings, "seed", 0),
            steps=_whole(settings, "steps", 0) or None,
            dictionary=read_dictionary(request.custom_dictionary),
            ssml=is_ssml(request.text),
            volume_db=_real(settings, "volume_db", 0.0),
        ),
        voice=voice,
        encoding=encoding,
        sample_rate_hz=_rate(encoding, request.sample_rate_hz),
        timeout_s=timeout_s,
        streamed=streamed,
    )


def is_ssml(text: str) -> bool:
    """Whether a text is a document: Riva has no field that says so."""
    return bool(_DOCUMENT.match(text))


def wire_field(name: str) -> str:
    """Name of a field of `SpeechRequest` -> path of the field in the message."""
    if name in SETTINGS:
        return f"custom_configuration[{name}]"
    return DICTIONARY if name == "dictionary" else name


def _read_encoding(number: riva_audio_pb2.AudioEncoding) -> Encoding:
    if number not in _ENCODINGS:
        known = ", ".join(f"{name} ({n})" for name, n in riva_audio_pb2.AudioEncoding.items())
        raise RequestError(Violation("encoding", f"is {number}; this server knows {known}"))
    return _ENCODINGS[number]


def _rate(encoding: Encoding, rate_hz: int) -> int | None:
    """The rate to use where a caller names one.

    Opus has five, and its packets tell none of them to the client, which decodes at the rate that
    it likes: any other becomes the next one above.
    """
    if rate_hz and encoding is Encoding.OPUS_FRAMED:
        asked = AudioFormat(Encoding.PCM_S16, rate_hz)  # in the range of all encodings
        return usual_format(encoding, asked.sample_rate_hz).sample_rate_hz
    return rate_hz or None


def _real(settings: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(settings[name]) if name in settings else default
    except ValueError:
        message = f"is {settings[name][:40]!r}; expected a number"
        raise RequestError(Violation(name, message)) from None


def _whole(settings: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(settings[name]) if name in settings else default
    except ValueError:
        message = f"is {settings[name][:40]!r}; expected a whole number"
        raise RequestError(Violation(name, message)) from None
