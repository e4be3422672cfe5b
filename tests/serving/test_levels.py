"""Level of speech: limited, faded at its ends, and the same however it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo_serving.synthesis.job import CEILING, FADE_S, KNEE, LevelShaper, limited

RATE = 22_050
FADE = round(FADE_S * RATE)


@pytest.fixture
def speech() -> Waveform:
    return np.random.default_rng(3).normal(0, 0.5, 6000).astype(np.float32)


def test_cutting_changes_no_bit(speech: Waveform) -> None:
    shaper = LevelShaper(1.7, RATE)
    whole = shaper.apply(speech, first=True, last=True)
    for cuts in ([2400], [300, 900, 5700], [601, 602, 1777, 5000]):
        pieces = np.split(speech, cuts)
        ends = range(len(pieces))
        joined = [
            shaper.apply(piece, first=i == 0, last=i == ends[-1]) for i, piece in enumerate(pieces)
        ]
        np.testing.assert_array_equal(np.concatenate(joined), whole)


def test_nothing_passes_the_ceiling() -> None:
    loud = np.float32([0.9, 1, -1, 10, -1e6, 1e38, -3e38])

    assert (np.abs(limited(loud)) <= np.float32(CEILING)).all()
    assert (np.sign(limited(loud)) == np.sign(loud)).all()


def test_below_the_knee_samples_pass_unchanged() -> None:
    soft = np.linspace(-KNEE, KNEE, 1001, dtype=np.float32)[1:-1]

    np.testing.assert_array_equal(limited(soft), soft)


def test_the_limiter_is_smooth_and_keeps_the_order_of_samples() -> None:
    rising = np.linspace(0, 4, 40_001)
    slope = np.diff(limited(rising.astype(np.float32)).astype(np.float64)) / np.diff(rising)

    assert (slope > 0).all()
    assert slope.max() < 1.01
    at_knee = slope[np.abs(rising[1:] - KNEE) < 0.002]
    assert at_knee.min() > 0.96


def test_both_ends_fade_and_the_middle_stays() -> None:
    flat = np.full(2000, 0.5, np.float32)
    shaped = LevelShaper(1.0, RATE).apply(flat, first=True, last=True)

    assert shaped[0] < 1e-3
    assert shaped[-1] < 1e-3
    assert (np.diff(shaped[:FADE]) > 0).all()
    assert (np.diff(shaped[-FADE:]) < 0).all()
    np.testing.assert_array_equal(shaped[FADE:-FADE], flat[FADE:-FADE])


@pytest.mark.parametrize("length", [0, 1, 50])
def test_a_piece_shorter_than_a_fade_is_faded_all_the_same(length: int) -> None:
    shaped = LevelShaper(1.0, RATE).apply(np.ones(length, np.float32), first=True, last=True)

    assert len(shaped) == length
    assert (shaped < 0.5).all()
