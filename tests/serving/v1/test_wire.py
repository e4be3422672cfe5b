"""Encodings and fields between the words of `dlpo.v1` and those of the server."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from dlpo.v1 import speech_pb2
from dlpo_serving.encodings import Encoding
from dlpo_serving.errors import RequestError
from dlpo_serving.v1.wire import decode_samples, encoding_message, field_path, read_encoding

NUMBERS = speech_pb2.AudioEncoding.values()


def test_every_encoding_of_the_contract_is_one_of_the_server() -> None:
    named = [number for number in NUMBERS if number]

    assert [encoding_message(read_encoding(number)) for number in named] == named
    assert read_encoding(speech_pb2.AUDIO_ENCODING_UNSPECIFIED) is Encoding.PCM_S16


def test_an_encoding_of_the_future_is_refused() -> None:
    with pytest.raises(RequestError, match="this server knows"):
        read_encoding(99)


def test_samples_are_little_endian() -> None:
    floats = decode_samples(struct.pack("<2f", 0.5, -1), speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32)
    ints = decode_samples(
        struct.pack("<3h", 32767, -32767, 0), speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
    )

    assert floats.tolist() == [0.5, -1]
    assert ints.tolist() == [1, -1, 0]
    assert floats.dtype == ints.dtype == np.float32


def test_fields_are_named_by_their_place_in_the_message() -> None:
    assert field_path("text") == "text"
    assert field_path("ssml") == "ssml"
    assert field_path("speed") == "config.speed"
