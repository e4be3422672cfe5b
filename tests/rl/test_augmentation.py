"""Augmented clips: their band, noise and level."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.rl import augmentation
from dlpo.rl.augmentation import augment, band_limited

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

KEY = (1, 2, 3, 0)


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise so far below the speech that it does not count."""
    monkeypatch.setattr(augmentation, "NOISE_DB", (-300.0, -300.0))


def tone(hertz: float = 300.0, samples: int = RATE_HZ) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples).double() / RATE_HZ)


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().log10())


def test_seeds_of_a_sentence_are_treated_alike(no_noise: None) -> None:
    """Whatever is heard of one, the other has the same there: band and level."""
    first, second = tone(300), tone(440)
    both = augment(first + second, RATE_HZ, KEY, 18_000) - augment(first, RATE_HZ, KEY, 18_000)
    torch.testing.assert_close(both, augment(second, RATE_HZ, KEY, 18_000))


def test_level_stays_within_its_bounds_and_uses_them(no_noise: None) -> None:
    gains = [
        level_db(augment(tone(), RATE_HZ, (0, 0, i, 0), 18_000)) - level_db(tone())
        for i in range(100)
    ]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_is_as_far_below_the_speech_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "GAIN_DB", 0.0)
    monkeypatch.setattr(augmentation, "NOISE_DB", (-40.0, -40.0))
    added = augment(tone(), RATE_HZ, KEY, 18_000) - tone()
    assert level_db(added) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_band_ends_where_it_should() -> None:
    for hertz, lost_db in ((300, 0), (5_700, 0), (6_110, 6), (6_600, 100)):
        lost = level_db(tone(hertz)) - level_db(band_limited(tone(hertz), 7 / 12))
        assert min(lost, 100) == pytest.approx(lost_db, abs=0.1), hertz
