"""Samples as bytes and back."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from dlpo.v1 import speech_pb2
from dlpo_serving.encodings import F32, S16, decode_audio, encode_audio, known_encoding
from dlpo_serving.request import RequestError


def test_16_bit_is_little_endian_and_clipped() -> None:
    audio = encode_audio(np.array([0, 1, -1, 3, 0.5], np.float32), S16)

    assert struct.unpack("<5h", audio) == (0, 32767, -32767, 32767, 16384)


def test_floats_travel_unchanged() -> None:
    samples = np.random.default_rng(0).standard_normal(100).astype(np.float32)

    assert struct.unpack("<100f", encode_audio(samples, F32)) == tuple(samples.tolist())
    np.testing.assert_array_equal(decode_audio(encode_audio(samples, F32), F32), samples)


def test_no_encoding_means_16_bit() -> None:
    assert known_encoding(speech_pb2.AUDIO_ENCODING_UNSPECIFIED) == S16


def test_an_encoding_of_the_future_is_refused() -> None:
    with pytest.raises(RequestError, match="this server knows"):
        known_encoding(99)
