"""The harmonic source, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.audio import harmonic_source
from dlpo_serving.synthesis.denoiser_input import LOOKAHEAD, HarmonicSource

HOP, RATE = 300, 22_050


def whole(f0: np.ndarray) -> np.ndarray:
    return HarmonicSource(HOP, RATE).extend(f0, len(f0))


def contour(voiced: list[bool]) -> np.ndarray:
    track = 180 + 40 * np.sin(np.arange(len(voiced)) / 9)
    return np.where(voiced, track, 0).astype(np.float32)


@given(
    voiced=st.lists(st.booleans(), min_size=2, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=6),
)
def test_pieces_joined_equal_the_whole(voiced: list[bool], cuts: list[int]) -> None:
    f0 = contour(voiced)
    stops = [*sorted({cut for cut in cuts if cut < len(f0)}), len(f0)]
    source = HarmonicSource(HOP, RATE)

    pieces = [source.extend(f0[: stop + LOOKAHEAD], stop) for stop in stops]

    np.testing.assert_allclose(np.concatenate(pieces), whole(f0), atol=1e-6)


def test_where_the_voice_never_pauses_it_is_the_source_of_training() -> None:
    f0 = contour([True] * 50)

    np.testing.assert_allclose(whole(f0), harmonic_source(f0), atol=1e-4)


def test_unvoiced_frames_are_silent() -> None:
    source = whole(contour([True] * 5 + [False] * 5 + [True] * 5)).reshape(15, HOP)

    assert not source[6:9].any()
    assert source[:5].any(axis=1).all()
    assert source[10:].any(axis=1).all()


@pytest.mark.parametrize("onset_hz", [100.0, 300.0])
def test_a_voice_sets_in_at_its_own_pitch(onset_hz: float) -> None:
    f0 = np.array([200.0] * 5 + [0.0] * 5 + [onset_hz] * 40, np.float32)

    tail = whole(f0)[10 * HOP :]

    spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail))))
    fundamental = spectrum[: int(1.5 * onset_hz * len(tail) / RATE)].argmax() * RATE / len(tail)
    assert abs(fundamental - onset_hz) < 2
