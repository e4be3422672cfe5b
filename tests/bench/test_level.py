"""The level of the voices that ship, and of one that says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.bundle import DEFAULT_VOICE, Bundle, write_bundle
from dlpo.errors import InputError
from dlpo_bench.level import gain_for, spoken_sentences
from dlpo_bench.loudness import TARGET_LUFS, integrated_loudness
from dlpo_serving.voices import find_voice, open_voice


def test_the_default_voice_speaks_at_the_target() -> None:
    voice = open_voice(DEFAULT_VOICE)
    joined = np.concatenate(spoken_sentences(voice))
    found = integrated_loudness(joined, voice.manifest.sample_rate_hz)
    assert found == pytest.approx(TARGET_LUFS, abs=0.2)


def test_the_limiter_does_not_mislead_a_loud_voice(tmp_path: Path) -> None:
    bundle = Bundle.load(find_voice(DEFAULT_VOICE))
    manifest = replace(bundle.manifest, gain=4 * bundle.manifest.gain)
    loud = open_voice(write_bundle(tmp_path / "loud", manifest, bundle.directory))
    assert gain_for(loud, TARGET_LUFS) == pytest.approx(bundle.manifest.gain, rel=2e-3)


def test_a_silent_voice_has_no_gain() -> None:
    voice = Mock()
    voice.manifest.sample_rate_hz = 24_000
    voice.speak.return_value = np.zeros(24_000, np.float32)
    with pytest.raises(InputError, match="silent on twenty sentences"):
        gain_for(voice, TARGET_LUFS)
