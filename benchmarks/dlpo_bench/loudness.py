"""Perceived loudness of speech in LUFS, and the gain that sets a voice to the level of all.

Reference: ITU-R BS.1770-5, annex 1, for one channel; EBU Tech 3341.
"""

from __future__ import annotations

import numpy as np
import pyloudnorm

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer

BLOCK_S = 0.4
HOP_S = 0.1  # blocks overlap by three quarters
TARGET_LUFS = -22.0  # for every voice: peaks of speech stay below the limiter's knee
FILTERS = "DeMan"  # the standard's, at any rate; the library's default ones are near them
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


def integrated_loudness(waveform: Waveform, sample_rate_hz: int) -> float:
    """Loudness of a whole recording, excluding its pauses.

    Args:
        waveform: (T,) float32, at least 0.4 s.

    Returns:
        LUFS; -inf for silence.

    Raises:
        InputError: too short, or not finite.
    """
    block, hop = round(BLOCK_S * sample_rate_hz), round(HOP_S * sample_rate_hz)
    if len(waveform) < block:
        raise InputError(
            f"{len(waveform) / sample_rate_hz:.3f} s is too short to measure loudness;"
            f" expected at least {BLOCK_S} s"
        )
    if not np.isfinite(waveform).all():
        raise InputError("the waveform holds NaN or infinite samples; decode it again")
    meter = pyloudnorm.Meter(sample_rate_hz, filter_class=FILTERS)
    whole = len(waveform) - (len(waveform) - block) % hop  # the library would count half a block
    return float(meter.integrated_loudness(waveform[:whole].astype(np.float64)))


def gain_to_reach(target_lufs: float, loudness_lufs: float) -> float:
    """The factor that brings a recording from one loudness to another."""
    return float(10 ** ((target_lufs - loudness_lufs) / 20))


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
