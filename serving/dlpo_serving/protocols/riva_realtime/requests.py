"""Sessions of Riva's realtime API -> what its gRPC requests say, and so what they ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.protocols.http.dialects import object_of, text_of
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.statuses import Names
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import SynthesizeSpeechRequest
from dlpo_serving.protocols.riva.requests import read_call

NAMES: Names = {
    "input": "text", "voice": "voice_name", "language": "language_code",
    "encoding": "audio_format", "response_format": "audio_format", "sample_rate": "sample_rate_hz",
}  # fmt: skip
FORMATS = {
    "LINEAR_PCM": Encoding.PCM_S16,
    "OGGOPUS": Encoding.OGG_OPUS,
    "OGG_OPUS": Encoding.OGG_OPUS,
}
USUAL_RATE_HZ = 22_050
MOST_HZ = 1_000_000  # that a message may name; what the server takes is checked later


def read_session(session: Mapping[str, Any], voices: Collection[str]) -> SpeechBody:
    """How the texts of a session are spoken.

    Raises:
        RequestError: a field is invalid, or asks for what dlpo lacks.
    """
    spoken = object_of(session, "input_text_synthesis")
    output = object_of(session, "output_audio_params")
    if object_of(session, "zero_shot_config").get("audio_prompt_bytes"):
        what = "asks to imitate a recording; dlpo's voices are trained: leave it out"
        raise RequestError(FieldViolation("zero_shot_config", what))
    name = text_of("audio_format", output.get("audio_format") or "LINEAR_PCM")
    if name not in FORMATS:
        raise wrong_value("audio_format", name, ", ".join(FORMATS))
    rate_hz = output.get("sample_rate_hz") or USUAL_RATE_HZ
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int) or not 0 < rate_hz < MOST_HZ:
        raise wrong_value("sample_rate_hz", rate_hz, "a whole number of Hz")
    settings = object_of(session, "custom_configuration")
    asked = SynthesizeSpeechRequest(
        language_code=text_of("language_code", spoken.get("language_code") or ""),
        voice_name=text_of("voice_name", spoken.get("voice_name") or ""),
        sample_rate_hz=rate_hz,
        custom_dictionary=text_of("custom_dictionary", session.get("custom_dictionary") or ""),
        custom_configuration={key: str(value) for key, value in settings.items()},
    )
    call = read_call(asked, voices, None, streamed=True)
    return SpeechBody(call.request, call.voice, FORMATS[name], rate_hz, "audio", None)


def session_of(body: SpeechBody, voice: str, language: str, id: str) -> dict[str, Any]:
    """The session as a client gets it."""
    name = next(name for name, encoding in FORMATS.items() if encoding is body.encoding)
    return {
        "id": id,
        "object": "realtime.synthesize_session",
        "input_text_synthesis": {
            "language_code": body.request.language or language,
            "voice_name": body.voice or voice,
        },
        "output_audio_params": {
            "sample_rate_hz": body.sample_rate_hz,
            "num_channels": 1,
            "audio_format": name,
        },
        "custom_dictionary": "",
        "client_secret": None,
    }
