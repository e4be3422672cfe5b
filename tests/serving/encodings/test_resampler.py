"""Resampling in pieces."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.errors import MissingExtraError
from dlpo_serving.encodings.encoder import Resampler

VOICE_HZ = 22_050
RATES_HZ = [8000, 11_025, 12_345, 16_000, 24_000, 44_100, 48_000]


def sine(rate: int) -> Waveform:
    return np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate).astype(np.float32)


def resampled(samples: Waveform, rate: int, cuts: list[int]) -> Waveform:
    resampler = Resampler(VOICE_HZ, rate)
    pieces = [resampler.resample(piece) for piece in np.split(samples, cuts)]
    return np.concatenate([*pieces, resampler.resample(np.zeros(0, np.float32), last=True)])


@pytest.mark.parametrize("rate", RATES_HZ)
def test_cutting_changes_no_bit(rate: int) -> None:
    noise = np.random.default_rng(rate).standard_normal(11_000).astype(np.float32)
    whole = resampled(noise, rate, [])

    np.testing.assert_array_equal(resampled(noise, rate, [2400, 2401, 2401, 9600]), whole)
    np.testing.assert_array_equal(resampled(noise, rate, list(range(300, 11_000, 300))), whole)


@pytest.mark.parametrize("rate", RATES_HZ)
@pytest.mark.parametrize("samples", [1, 299, 2400, 11_027])
def test_the_length_is_that_of_the_speech(rate: int, samples: int) -> None:
    out = resampled(np.ones(samples, np.float32), rate, [])

    assert abs(len(out) - samples * rate / VOICE_HZ) < 1


@pytest.mark.parametrize("rate", RATES_HZ)
def test_a_tone_is_the_same_tone_at_another_rate(rate: int) -> None:
    out = resampled(sine(VOICE_HZ), rate, [2400])
    middle = slice(rate // 20, rate * 9 // 20)  # at its ends the tone sets in abruptly

    np.testing.assert_allclose(out[middle], sine(rate)[middle], atol=1e-4)


def test_what_a_lower_rate_cannot_carry_does_not_come_back_as_another_tone() -> None:
    high = np.sin(2 * np.pi * 9000 * np.arange(11_025) / VOICE_HZ).astype(np.float32)

    assert np.abs(resampled(high, 8000, [])[400:-400]).max() < 1e-4


def test_without_soxr_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)

    with pytest.raises(MissingExtraError, match=r"soxr is not installed.*dlpo\[serve\]"):
        Resampler(22_050, 8000)
