"""The voices that a server offers, and the one that speaks a request."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo.errors import InputError
from dlpo.text import Sentence
from dlpo_serving.errors import FieldViolation, NotReadyError, RequestError, UnknownVoiceError
from dlpo_serving.request import SynthesisCall
from dlpo_serving.scheduling.stream import Costs
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voice_choice import chosen_voice
from dlpo_serving.voice_names import voice_named


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
        manifests = self.loaded()
        return self._named(call.voice or chosen_voice(call.request, manifests))

    def loaded(self) -> Sequence[Manifest]:
        """`manifests`; raises NotReadyError while no voice is loaded."""
        if not self.manifests:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        return self.manifests

    @property
    def marks(self) -> dict[str, str]:
        """Default voice of each bundle -> which keys mark it; see `dlpo.mark.NoiseMark.named`."""
        return {name: voice.synthesizer.mark_of() for name, voice in self._voices.items()}

    def _list(self) -> None:
        bundles = (voice.manifest for voice in self._voices.values())
        self.manifests = [voice for bundle in bundles for voice in bundle.of_voices]

    def _named(self, name: str) -> LoadedVoice:
        name = voice_named(name, [each.voice for each in self.manifests])
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
