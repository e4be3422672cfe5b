"""Sessions, responses and items of OpenAI's Realtime API -> what they ask for.

Theirs has no fields for the language and the pauses of speech; ours are beside `voice` and `speed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.protocols.http.dialects import Message
from dlpo_serving.protocols.http.speech_body import SpeechBody, read_speech_fields
from dlpo_serving.request import PAUSES

FORMATS = {  # -> ours, and the default rate in Hz
    "audio/pcm": ("pcm", 24_000), "audio/pcmu": ("mulaw", 8_000), "audio/pcma": ("alaw", 8_000)
}  # fmt: skip
USUAL_OUTPUT: Message = {"format": {"type": "audio/pcm"}, "voice": None, "speed": 1.0}


def read_output(
    settings: Message, usual: Message, text: str = ""
) -> tuple[dict[str, Any], SpeechBody]:
    """Read the settings of a session or a response.

    Args:
        usual: output settings, for those that it leaves out.
        text: to speak.

    Returns:
        All output settings; how they have the text spoken.

    Raises:
        RequestError: a field is invalid, or asks for what dlpo lacks.
    """
    for name, only in (("tools", []), ("output_modalities", ["audio"])):
        if (value := settings.get(name) or only) != only:
            raise wrong_value(name, value, str(only))
    output = dict(usual)
    match settings:
        case {"audio": {"output": dict(given)}}:
            known = (*output, "language", *PAUSES)
            output |= {name: given[name] for name in known if given.get(name) is not None}
    match output["format"]:
        case {"type": str(name), **more} if name in FORMATS:
            encoding, rate_hz = FORMATS[name]
        case wrong:
            raise wrong_value("format", wrong, f"a type of {', '.join(FORMATS)}")
    fields = {name: output.get(name) for name in ("voice", "speed", "language", *PAUSES)}
    fields |= {"response_format": encoding, "sample_rate": more.get("rate", rate_hz)}
    return output, read_speech_fields({**fields, "input": text})


def spoken(item: object) -> str:
    """The text of a conversation item; empty for a system message.

    Raises:
        RequestError: it has none.
    """
    match item:
        case {"type": "message", "role": "system"}:
            return ""
        case {"type": "message", "content": [{"text": str(text)}, *more]}:
            further = [spoken({"type": "message", "content": [part]}) for part in more]
            return " ".join([text, *further])
    raise RequestError(FieldViolation("item", "expected a message whose content is text"))


def paragraphs(texts: Iterable[str]) -> str:
    """Texts, spoken one after another."""
    return "\n\n".join(filter(str.strip, texts))
