"""The voice that speaks a request which names none."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo.text.common.ssml import document_language, document_voice
from dlpo.text.common.warnings import language_of_text
from dlpo.text.languages import language_name, language_named
from dlpo_serving.request import SpeechRequest

LOOKED_AT = 1_000  # characters of a text that show its language, before it is admitted


class VoiceChoice:
    """Chooses among voices by a request's document or language."""

    def __init__(self, voices: Sequence[Manifest]) -> None:
        """`voices`: every voice of every bundle, the default first."""
        self._voices = voices
        languages = dict.fromkeys(each.language for each in voices)
        self._are_alike = len(languages) < 2
        self._own = language_name(voices[0].language) if voices else ""
        names = map(language_name, languages)
        self._by_language = {name: self._speaker_of(language_named(name)) for name in names}
        self._by_language[""] = ""

    def of(self, request: SpeechRequest) -> tuple[str, str | None]:
        """The voice that a request's document names, or that speaks its language.

        A text that doesn't name its language has the one that it looks like.

        Returns:
            The voice, "" for the default; and the name of the language that the whole text looks
            like, "" for that of the default voice, None if it was not asked.
        """
        text, language = request.text, request.language
        if request.ssml:
            language = language or document_language(text)
            if voice := self._named(document_voice(text).lower()):
                return voice, None
        if self._are_alike or (request.ssml and not language):
            return "", None
        if language:
            return self._speaker_of(language.replace("_", "-")), None
        looks_like = language_of_text(text[:LOOKED_AT], self._own)
        was_whole = 0 < len(text) <= LOOKED_AT
        return self._by_language.get(looks_like, ""), looks_like if was_whole else None

    def _named(self, name: str) -> str:
        """A voice of the bundle that has the voice that an SSML document names first.

        The bundle's own first one, which speaks what stands outside of ``<voice>``; "" if no bundle
        has the voice.
        """
        if not name:
            return ""
        return next((each.voice for each in self._voices if name in each.offered_voices), "")

    def _speaker_of(self, language: str) -> str:
        """The first voice that speaks a language, BCP 47; "" if none does."""
        return next((each.voice for each in self._voices if each.speaks(language)), "")
