"""Samples as the bytes that a client asked for."""

from __future__ import annotations

import numpy as np

from dlpo.audio import Waveform, to_pcm16
from dlpo.v1 import speech_pb2
from dlpo_serving.request import RequestError, Violation

S16 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
F32 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
SAMPLE_BYTES = {S16: 2, F32: 4}


def known_encoding(encoding: speech_pb2.AudioEncoding) -> speech_pb2.AudioEncoding:
    """The encoding to use; S16 where the caller names none.

    Raises:
        RequestError: this server does not know it.
    """
    if encoding == speech_pb2.AUDIO_ENCODING_UNSPECIFIED:
        return S16
    if encoding not in SAMPLE_BYTES:
        message = f"is {encoding}; this server knows LINEAR_PCM_S16 (1) and LINEAR_PCM_F32 (2)"
        raise RequestError(Violation("encoding", message))
    return encoding


def encode_audio(samples: Waveform, encoding: speech_pb2.AudioEncoding) -> bytes:
    """(T,) float32 in [-1, 1] -> little-endian bytes."""
    if encoding == F32:
        return samples.astype("<f4").tobytes()
    return to_pcm16(samples).astype("<i2").tobytes()


def decode_audio(audio: bytes, encoding: speech_pb2.AudioEncoding) -> Waveform:
    """The inverse of `encode_audio`, to 16 bit where the encoding has no more."""
    if encoding == F32:
        return np.frombuffer(audio, "<f4").astype(np.float32)
    return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32767)
