"""Loudness against the standard, and the level of the voices that ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE, Bundle, write_bundle
from dlpo.errors import InputError
from dlpo_bench.loudness import TARGET_LUFS, gain_for, integrated_loudness, spoken_sentences
from dlpo_serving.voices import find_voice, open_voice


def sine(hertz: float, level_dbfs: float, seconds: float, rate: int) -> Waveform:
    times = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def test_a_full_scale_sine_of_997_hz_has_the_standards_loudness() -> None:
    assert integrated_loudness(sine(997, 0, 2, 48_000), 48_000) == pytest.approx(-3.01, abs=0.005)


def test_samples_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        integrated_loudness(np.full(22_050, np.nan, np.float32), 22_050)


def test_the_rest_after_the_last_whole_block_does_not_count() -> None:
    speech = sine(1000, -20, 0.45, 22_050)

    assert integrated_loudness(speech, 22_050) == pytest.approx(
        integrated_loudness(speech[: round(0.4 * 22_050)], 22_050), abs=1e-9
    )


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
