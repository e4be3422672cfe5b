"""Encodings as `dlpo.v1` numbers them, for its server and its clients."""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError

_ENCODINGS = {
    speech_pb2.AUDIO_ENCODING_UNSPECIFIED: Encoding.PCM_S16,
    speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16: Encoding.PCM_S16,
    speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32: Encoding.PCM_F32,
    speech_pb2.AUDIO_ENCODING_WAV: Encoding.WAV,
    speech_pb2.AUDIO_ENCODING_FLAC: Encoding.FLAC,
    speech_pb2.AUDIO_ENCODING_OGG_OPUS: Encoding.OGG_OPUS,
    speech_pb2.AUDIO_ENCODING_MP3: Encoding.MP3,
    speech_pb2.AUDIO_ENCODING_MULAW: Encoding.MULAW,
    speech_pb2.AUDIO_ENCODING_ALAW: Encoding.ALAW,
    speech_pb2.AUDIO_ENCODING_AAC: Encoding.AAC,
}
_NUMBERS = {encoding: number for number, encoding in _ENCODINGS.items()}  # S16 is not UNSPECIFIED


def read_encoding(number: speech_pb2.AudioEncoding) -> Encoding:
    """The encoding that a message names; signed 16-bit PCM if it names none.

    Raises:
        RequestError: this version of the contract has no such number.
    """
    if number not in _ENCODINGS:
        known = ", ".join(f"{encoding} ({number})" for encoding, number in _NUMBERS.items())
        raise RequestError(FieldViolation("encoding", f"is {number}; this server knows {known}"))
    return _ENCODINGS[number]


def encoding_message(encoding: Encoding) -> speech_pb2.AudioEncoding:
    """The inverse of `read_encoding`.

    Raises:
        InputError: `dlpo.v1` does not have it.
    """
    if encoding not in _NUMBERS:
        known = ", ".join(_NUMBERS)
        raise InputError(f"encoding is {encoding}; dlpo.v1 has {known}")
    return _NUMBERS[encoding]


def decode_samples(audio: bytes, number: speech_pb2.AudioEncoding) -> Waveform:
    """Bytes of linear PCM -> (T,) float32.

    Raises:
        InputError: the encoding is not linear PCM.
    """
    if number == speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32:
        return np.frombuffer(audio, "<f4").astype(np.float32)
    if number == speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16:
        return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32767)
    raise InputError(
        f"{read_encoding(number)} cannot be read as raw samples; ask for pcm_s16 or pcm_f32, or"
        " decode it"
    )
