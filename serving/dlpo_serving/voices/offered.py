"""The voices that a server offers, and the one that speaks a request."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest
from dlpo.errors import InputError
from dlpo.text import Sentence
from dlpo_serving.errors import FieldViolation, NotReadyError, RequestError, UnknownVoiceError
from dlpo_serving.request import SynthesisCall
from dlpo_serving.scheduling.stream import Costs
from dlpo_serving.voices.choice import VoiceChoice
from dlpo_serving.voices.names import voice_named
from dlpo_serving.voices.synthesizer import Synthesizer


class LoadedVoice:
    """A voice that has been warmed up."""

    def __init__(self, synthesizer: Synthesizer, costs: Costs) -> None:
        self.synthesizer = synthesizer
        self.costs = costs
        self.manifest = synthesizer.manifest

    def speaking(self, name: str) -> LoadedVoice:
        """Another voice of the bundle, or a mix; raises InputError if it has no such voice."""
        return LoadedVoice(self.synthesizer.speaking(name), self.costs)

    def expected_s(self, sentences: Sequence[Sentence], speed: float) -> float:
        """Predicted length of the sentences' audio, in seconds."""
        characters, pauses_s = 0, 0.0
        for sentence in sentences:
            characters += len(sentence.normalized)
            pauses_s += sentence.pause_before_s + (sentence.pause_after_s or 0.0)
        return pauses_s + self.costs.audio_s(characters, speed)


class OfferedVoices:
    """Loaded voices by name, the default first; each is resolved when its bundle comes."""

    def __init__(self) -> None:
        self._bundles: dict[str, LoadedVoice] = {}  # by their default voice
        self._known: dict[str, LoadedVoice] = {}  # by name; "" is the default
        self.manifests: Sequence[Manifest] = ()
        """of every voice of every bundle, the default first"""

    def add(self, voice: LoadedVoice) -> None:
        """Add a bundle's voices, or replace an earlier version of them."""
        self._bundles[voice.manifest.voice] = voice
        self._resolve()

    def remove(self, name: str) -> LoadedVoice:
        """Take a bundle's voices out; `name` and what is returned are its default voice."""
        removed = self._bundles.pop(name)
        self._resolve()
        return removed

    def chosen(self, call: SynthesisCall) -> tuple[LoadedVoice, str | None]:
        """The voice that a call names, its document names, or that speaks its language.

        Returns:
            The voice, and the language that the text looks like, see `VoiceChoice.of`.

        Raises:
            NotReadyError: none is loaded.
            RequestError: a mix of voices that can't be made.
            UnknownVoiceError: there is no such voice.
        """
        if not self._known:
            self.loaded()
        name, looks_like = (call.voice, None) if call.voice else self._choice.of(call.request)
        return self._known.get(name) or self._named(name), looks_like

    @property
    def default(self) -> LoadedVoice | None:
        """The voice of calls that name none; None while none is loaded."""
        return self._known.get("")

    def loaded(self) -> Sequence[Manifest]:
        """`manifests`; raises NotReadyError while no voice is loaded."""
        if not self.manifests:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        return self.manifests

    @property
    def marks(self) -> dict[str, str]:
        """Default voice of each bundle -> which keys mark it; see `dlpo.mark.NoiseMark.named`."""
        return {name: voice.synthesizer.mark_of() for name, voice in self._bundles.items()}

    def _resolve(self) -> None:
        bundles = self._bundles.values()
        self.manifests = [voice for bundle in bundles for voice in bundle.manifest.of_voices]
        self._known = dict(self._bundles)
        for bundle in bundles:
            for name in bundle.manifest.offered_voices:
                if name not in self._known:
                    self._known[name] = bundle.speaking(name)
        if self.manifests:
            self._known[""] = next(iter(bundles))
            self._choice = VoiceChoice(self.manifests)

    def _named(self, name: str) -> LoadedVoice:
        """The voice of another spelling, a stock name or a mix."""
        names = [manifest.voice for manifest in self.manifests]
        name = voice_named(name, names)
        if voice := self._known.get(name):
            return voice
        for bundle in self._bundles.values():
            if bundle.manifest.mixes(name):
                try:
                    return bundle.speaking(name)
                except InputError as error:
                    message = str(error).removeprefix("voice ")
                    raise RequestError(FieldViolation("voice", message)) from error
        raise UnknownVoiceError(name, names)
