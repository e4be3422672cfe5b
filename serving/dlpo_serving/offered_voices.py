"""The voices that a server offers, and the one that speaks a request."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo.errors import InputError
from dlpo.text import Sentence
from dlpo.text.common.reading import language_of_text
from dlpo.text.common.ssml import document_language, document_voice
from dlpo.text.languages import language_name, language_named
from dlpo_serving.errors import FieldViolation, NotReadyError, RequestError, UnknownVoiceError
from dlpo_serving.request import SpeechRequest, SynthesisCall
from dlpo_serving.scheduling.stream import Costs
from dlpo_serving.synthesizer import Synthesizer

LOOKED_AT = 1_000  # characters of a text that show its language, before it is admitted


class LoadedVoice:
    """A voice that has been warmed up."""

    def __init__(self, synthesizer: Synthesizer, costs: Costs) -> None:
        self.synthesizer = synthesizer
        self.costs = costs
        self.manifest = synthesizer.manifest

    def expected_s(self, sentences: Sequence[Sentence], speed: float) -> float:
        """Predicted length of the sentences' audio, in seconds."""
        characters, pauses_s = 0, 0.0
        for sentence in sentences:
            characters += len(sentence.normalized)
            pauses_s += sentence.pause_before_s + (sentence.pause_after_s or 0.0)
        return pauses_s + self.costs.audio_s(characters, speed)


class OfferedVoices:
    """Loaded voices by name, the default first."""

    def __init__(self) -> None:
        self._voices: dict[str, LoadedVoice] = {}
        self.manifests: Sequence[Manifest] = ()
        """of every voice of every bundle, the default first"""

    def add(self, voice: LoadedVoice) -> None:
        """Add a voice, or replace an earlier version of it."""
        self._voices[voice.manifest.voice] = voice
        self._list()

    def remove(self, name: str) -> LoadedVoice:
        """Take a voice out, and return it."""
        removed = self._voices.pop(name)
        self._list()
        return removed

    def chosen(self, call: SynthesisCall) -> LoadedVoice:
        """The voice that a call names, its document names, or that speaks its language.

        Raises:
            NotReadyError: none is loaded.
            RequestError: a mix of voices that can't be made.
            UnknownVoiceError: there is no such voice.
        """
        if not self._voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        request = call.request
        return self._named(call.voice or self._named_in(request) or self._speaker_of(request))

    def _list(self) -> None:
        manifests = [voice.manifest for voice in self._voices.values()]
        self.manifests = [one.with_voice(name) for one in manifests for name in one.offered_voices]

    def _named(self, name: str) -> LoadedVoice:
        name = name or next(iter(self._voices))
        if name in self._voices:
            return self._voices[name]
        for voice in self._voices.values():
            if voice.manifest.mixes(name):
                try:
                    return LoadedVoice(voice.synthesizer.speaking(name), voice.costs)
                except InputError as error:
                    message = str(error).removeprefix("voice ")
                    raise RequestError(FieldViolation("voice", message)) from error
        raise UnknownVoiceError(name, [manifest.voice for manifest in self.manifests])

    def _named_in(self, request: SpeechRequest) -> str:
        """A voice of the bundle that has the voice that an SSML document names first.

        The bundle's own first one, which speaks what stands outside of ``<voice>``; "" if that is
        the server's default, or no bundle has the voice.
        """
        name = document_voice(request.text).lower() if request.ssml else ""
        if not name:
            return ""
        bundles = [voice.manifest for voice in self._voices.values()]
        having = (each.voice for each in bundles if name in each.offered_voices)
        return next(having, "")

    def _speaker_of(self, request: SpeechRequest) -> str:
        """The first voice that speaks the language of a text; "" if the default does, or none.

        A text that doesn't name its language has the one that it looks like.
        """
        voices = self.manifests
        if len({each.language for each in voices}) < 2:
            return ""
        language = request.language or document_language(request.text)
        if not language and not request.ssml:
            own = language_name(voices[0].language)
            language = language_named(language_of_text(request.text[:LOOKED_AT], own))
        asked = language.replace("_", "-")
        return next((each.voice for each in voices if each.speaks(asked)), "")
