"""Voices as ElevenLabs' clients list them."""

from __future__ import annotations

from collections.abc import Iterable

from dlpo.bundle import Manifest
from dlpo_serving.voice_names import AboutVoice, about_voices


def listed(voices: Iterable[Manifest]) -> list[dict[str, object]]:
    """Voices as their clients list them."""
    about = about_voices()
    return [_listed(manifest, about.get(manifest.voice)) for manifest in voices]


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
