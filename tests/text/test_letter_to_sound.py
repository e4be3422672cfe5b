"""The net that reads words which no dictionary knows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlpo.text.letter_to_sound import LetterToSound, bidirectional_gru
from dlpo.text.symbols import PHONEMES


@pytest.fixture(scope="module")
def net() -> LetterToSound:
    return LetterToSound()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow_gru(
    inputs: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray
) -> list[list[float]]:
    """One direction, one number at a time, from the equations in torch's documentation."""
    size = w_hh.shape[1]
    h = [0.0] * size
    states = []
    for x in inputs:
        a = [float(w_ih[i] @ x + b_ih[i]) for i in range(3 * size)]
        b = [float(w_hh[i] @ np.array(h) + b_hh[i]) for i in range(3 * size)]
        new = []
        for i in range(size):
            r = sigmoid(a[i] + b[i])
            z = sigmoid(a[size + i] + b[size + i])
            n = math.tanh(a[2 * size + i] + r * b[2 * size + i])
            new.append((1 - z) * n + z * h[i])
        h = new
        states.append(h)
    return states


def test_gru_follows_its_equations_in_both_directions() -> None:
    rng = np.random.default_rng(1)
    length, channels, size = 5, 3, 4
    inputs = rng.standard_normal((length, channels)).astype(np.float32)
    weights = [
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((2, 3 * size, channels), (2, 3 * size, size), (2, 3 * size), (2, 3 * size))
    ]
    found = bidirectional_gru(inputs, *weights)
    forward = slow_gru(inputs, *(w[0] for w in weights))
    backward = slow_gru(inputs[::-1], *(w[1] for w in weights))[::-1]
    np.testing.assert_allclose(found, np.concatenate([forward, backward], axis=1), atol=1e-5)


@pytest.mark.parametrize("word", ["blorptastic", "zyxxy", "o'zzy", "a", "bbbb"])
def test_any_word_is_pronounceable(net: LetterToSound, word: str) -> None:
    phonemes = net.phonemes(word)
    assert phonemes
    assert set(phonemes) <= set(PHONEMES)


def test_a_word_with_vowels_has_a_primary_stress(net: LetterToSound) -> None:
    for word in ("flumber", "trantoricity", "gribblesome", "okapify"):
        assert any(phoneme.endswith("1") for phoneme in net.phonemes(word)), word


def test_a_plain_invented_word_sounds_as_it_is_written(net: LetterToSound) -> None:
    assert net.phonemes("blint") == ("B", "L", "IH1", "N", "T")


def test_500_letters_are_read_in_pieces(net: LetterToSound) -> None:
    assert 100 < len(net.phonemes("lorem" * 100)) < 1000
