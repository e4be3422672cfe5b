"""How well a bundle's speech carries the mark: spoken, and looked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dlpo.mark.detector import detect_samples
from dlpo.mark.files import at_detectors_rate
from dlpo.mark.stream import RATE_HZ
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

TEXTS = {  # by language
    "en": "The committee will meet again on Thursday to discuss whether the old bridge should be"
    " repaired or replaced before winter.",
    "es": "El comité se reunirá de nuevo el jueves para decidir si el viejo puente debe repararse o"
    " cambiarse antes del invierno.",
}
JUDGED_S = 5.0


def mark_strengths(bundle: Path) -> dict[str, float]:
    """N -> z of the public mark in five seconds of N steps, the least of the bundle's voices."""
    synthesizer = open_voice(bundle.resolve())
    manifest = synthesizer.manifest

    def strengths(steps: int) -> Iterator[float]:
        for voice in manifest.of_voices:
            speaker = synthesizer.speaking(voice.voice) if manifest.voices else synthesizer
            text = TEXTS.get(voice.language.split("-")[0], TEXTS["en"])
            samples = speaker.speak(SpeechRequest(text, steps=steps))
            heard = at_detectors_rate([samples], manifest.sample_rate_hz)
            yield detect_samples(heard[: round(JUDGED_S * RATE_HZ)]).z

    return {str(steps): round(min(strengths(steps)), 1) for steps in manifest.available_steps}
