"""The level of the voices that ship, and of one that says nothing."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.errors import InputError
from dlpo_bench.level import gain_for, spoken_sentences
from dlpo_bench.loudness import TARGET_LUFS, integrated_loudness
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import open_voice


def test_the_default_voice_speaks_at_the_target() -> None:
    voice = open_voice(DEFAULT_VOICE)
    joined = np.concatenate(spoken_sentences(voice))
    found = integrated_loudness(joined, voice.manifest.sample_rate_hz)
    assert found == pytest.approx(TARGET_LUFS, abs=0.2)


def test_a_silent_voice_has_no_gain() -> None:
    voice = Mock()
    voice.manifest.sample_rate_hz = 24_000
    voice.speak.return_value = np.zeros(24_000, np.float32)
    with pytest.raises(InputError, match="silent on twenty sentences"):
        gain_for(voice, TARGET_LUFS)
