"""Voices and models as ElevenLabs' clients list them."""

from __future__ import annotations

from collections.abc import Iterable

from dlpo.bundle import Manifest
from dlpo_serving.protocols.http.speech_body import MODELS
from dlpo_serving.voices.names import AboutVoice, about_voices


def listed(voices: Iterable[Manifest]) -> list[dict[str, object]]:
    """Voices as their clients list them."""
    about = about_voices()
    return [_listed(manifest, about.get(manifest.voice)) for manifest in voices]


def models_listed(voices: Iterable[Manifest]) -> list[dict[str, object]]:
    """The one model, which speaks the languages of the voices."""
    languages = dict.fromkeys(manifest.language for manifest in voices)
    can = {"can_do_text_to_speech": True, "can_do_voice_conversion": False}
    spoken = [{"language_id": code.partition("-")[0], "name": code} for code in languages]
    return [{"model_id": MODELS[0], "name": MODELS[0], **can, "languages": spoken}]


def _listed(manifest: Manifest, about: AboutVoice | None) -> dict[str, object]:
    gender = {"woman": "female", "man": "male"}.get(about.speaker if about else "", "")
    labels = {"language": manifest.language, "gender": gender}
    return {
        "voice_id": manifest.voice,
        "name": manifest.voice,
        "category": "premade",
        "description": about.sounds if about else "",
        "labels": {name: value for name, value in labels.items() if value},
        "available_for_tiers": [],
        "high_quality_base_model_ids": [],
    }
