"""The level at which a voice speaks, and the gain that brings it to another."""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_bench.loudness import gain_to_reach, integrated_loudness
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer

_QUIETLY_DB = -20.0  # below the limiter's knee, so that loudness follows the gain
_SENTENCES = (  # IEEE 1969, lists 1 and 2
    "The birch canoe slid on the smooth planks.", "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.", "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.", "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.", "The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us.", "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.", "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.", "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.", "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.", "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
)  # fmt: skip


def spoken_sentences(voice: Synthesizer, volume_db: float = 0.0) -> list[Waveform]:
    """Twenty English sentences by a voice, each from a seed of its own."""
    return [
        voice.speak(SpeechRequest(text, seed=seed, volume_db=volume_db))
        for seed, text in enumerate(_SENTENCES)
    ]


def gain_for(voice: Synthesizer, lufs: float) -> float:
    """The gain, to three decimals, with which a voice's sentences are as loud as `lufs`.

    Raises:
        InputError: the voice is silent.
    """
    sentences = spoken_sentences(voice, _QUIETLY_DB)
    spoken = integrated_loudness(np.concatenate(sentences), voice.manifest.sample_rate_hz)
    if not np.isfinite(spoken):
        raise InputError(
            f"{voice.manifest.voice} is silent on twenty sentences, so it has no loudness; give"
            " --gain instead of --loudness"
        )
    return round(voice.manifest.gain * gain_to_reach(lufs, spoken - _QUIETLY_DB), 3)
