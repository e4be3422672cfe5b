"""The voice that speaks a request which names none."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo.text.common.ssml import document_language, document_voice
from dlpo.text.common.warnings import language_of_text
from dlpo.text.languages import language_name, language_named
from dlpo_serving.request import SpeechRequest

LOOKED_AT = 1_000  # characters of a text that show its language, before it is admitted


def chosen_voice(request: SpeechRequest, voices: Sequence[Manifest]) -> str:
    """The voice that a request's document names, or that speaks its language; "" if there is none
    to choose, which means the default.

    Args:
        voices: every voice of every bundle, the default first.
    """
    return _named_in(request, voices) or _speaker_of(request, voices)


def _named_in(request: SpeechRequest, voices: Sequence[Manifest]) -> str:
    """A voice of the bundle that has the voice that an SSML document names first.

    The bundle's own first one, which speaks what stands outside of ``<voice>``; "" if no bundle
    has the voice.
    """
    name = document_voice(request.text).lower() if request.ssml else ""
    if not name:
        return ""
    return next((each.voice for each in voices if name in each.offered_voices), "")


def _speaker_of(request: SpeechRequest, voices: Sequence[Manifest]) -> str:
    """The first voice that speaks the language of a text; "" if all speak one, or none does.

    A text that doesn't name its language has the one that it looks like.
    """
    if len({each.language for each in voices}) < 2:
        return ""
    language = request.language or document_language(request.text)
    if not language and not request.ssml:
        own = language_name(voices[0].language)
        language = language_named(language_of_text(request.text[:LOOKED_AT], own))
    asked = language.replace("_", "-")
    return next((each.voice for each in voices if each.speaks(asked)), "")
