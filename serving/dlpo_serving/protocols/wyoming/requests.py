"""Events of Wyoming -> calls."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from wyoming.event import Event

from dlpo.bundle import MAX_VOICE_NAME
from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.request import PAUSES, SpeechRequest, SynthesisCall, check_length


def read_call(event: Event) -> SynthesisCall:
    """What a `synthesize` or `synthesize-start` event asks for.

    Raises:
        RequestError: a field is invalid.
    """
    whole, kind = event.type == "synthesize", event.data.get("text_format") or "text"
    known = ("text", "ssml") if whole else ("text",)
    if kind not in known:
        raise wrong_value("text_format", kind, " or ".join(known))
    voice, language = read_voice(event.data.get("voice"))
    text = read_text(event) if whole else ""
    pauses = {name: event.data[name] for name in PAUSES if event.data.get(name) is not None}
    for name, pause_s in pauses.items():
        if isinstance(pause_s, bool) or not isinstance(pause_s, int | float):
            raise wrong_value(name, pause_s, "a number of seconds")
    request = SpeechRequest(text, ssml=kind == "ssml", language=language, **pauses)
    return SynthesisCall(request, voice)


def read_voice(asked: Any) -> tuple[str, str]:
    """The name of the voice that is requested, and the language; empty means the default.

    Raises:
        RequestError: one of them is too long.
    """
    given = asked if isinstance(asked, dict) else {}
    name, language = (_text(given.get(field)) for field in ("name", "language"))
    check_length("voice", name, MAX_VOICE_NAME)
    check_length("language", language)
    return name, language


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def read_text(event: Event) -> str:
    """The text of an event.

    Raises:
        RequestError: it has none, or one with lone surrogates.
    """
    text = event.data.get("text")
    with suppress(UnicodeEncodeError):
        if isinstance(text, str):
            text.encode()  # JSON can contain lone surrogates
            return text
    raise RequestError(FieldViolation("text", "expected a string of Unicode text"))
