"""Voices and models as ElevenLabs' clients list them."""

from __future__ import annotations

from collections.abc import Iterable

from dlpo.bundle import Manifest
from dlpo_serving.protocols.http.speech_body import MODELS
from dlpo_serving.voices.names import AboutVoice, about_voices

THEIR_MODELS = ("eleven_v3", "eleven_multilingual_v2", "eleven_flash_v2_5", "eleven_turbo_v2_5")
# What a client that asks about its account is answered: nothing is counted or kept here.
SUBSCRIPTION = {
    "tier": "dlpo", "status": "active", "character_count": 0, "character_limit": 1_000_000_000,
    "can_extend_character_limit": False, "allowed_to_extend_character_limit": False,
    "next_character_count_reset_unix": None, "voice_limit": 0, "voice_slots_used": 0,
    "professional_voice_limit": 0, "professional_voice_slots_used": 0,
    "can_extend_voice_limit": False, "can_use_instant_voice_cloning": False,
    "can_use_professional_voice_cloning": False,
}  # fmt: skip
USER = {
    "user_id": "dlpo", "created_at": 0, "is_new_user": False, "is_onboarding_completed": True,
    "is_onboarding_checklist_completed": True, "can_use_delayed_payment_methods": False,
    "subscription": SUBSCRIPTION,
}  # fmt: skip
SETTINGS: dict[str, object] = {
    "stability": 0.5,
    "similarity_boost": 0.75,
    "style": 0.0,
    "use_speaker_boost": True,
    "speed": 1.0,
}
ACCOUNT: dict[str, tuple[str, dict[str, object]]] = {
    "/v1/user": ("Who calls, as ElevenLabs' clients ask", dict(USER)),
    "/v1/user/subscription": ("What an account may use: all", dict(SUBSCRIPTION)),
    "/v1/history": ("What was spoken before: none is kept", {"history": [], "has_more": False}),
    "/v1/pronunciation-dictionaries": (
        "Dictionaries of an account: each request brings its own",
        {"pronunciation_dictionaries": [], "has_more": False, "next_cursor": None},
    ),
    "/v1/voices/settings/default": ("Settings of voices", SETTINGS),
    "/v1/voices/{voice}/settings": ("Settings of a voice: their defaults", SETTINGS),
}  # fmt: skip


def listed(voices: Iterable[Manifest]) -> list[dict[str, object]]:
    """Voices as their clients list them."""
    about = about_voices()
    return [_listed(manifest, about.get(manifest.voice)) for manifest in voices]


def models_listed(voices: Iterable[Manifest]) -> list[dict[str, object]]:
    """The names that their clients look for, and ours: all mean the same, the voice decides."""
    languages = dict.fromkeys(manifest.language for manifest in voices)
    can = {"can_do_text_to_speech": True, "can_do_voice_conversion": False}
    spoken = [{"language_id": code.partition("-")[0], "name": code} for code in languages]
    names = (MODELS[0], *THEIR_MODELS)
    return [{"model_id": name, "name": name, **can, "languages": spoken} for name in names]


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
