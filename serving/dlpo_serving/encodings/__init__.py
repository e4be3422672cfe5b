"""Samples as the bytes that a client asked for: formats, and one encoder for each stream."""

from dlpo_serving.encodings.encoder import AudioEncoder, open_encoder, warm_encoders
from dlpo_serving.encodings.formats import AudioFormat, Encoding, media_type, usual_format
from dlpo_serving.encodings.v1 import (
    F32,
    S16,
    SAMPLE_BYTES,
    decode_audio,
    encode_audio,
    known_encoding,
)

__all__ = [
    "F32",
    "S16",
    "SAMPLE_BYTES",
    "AudioEncoder",
    "AudioFormat",
    "Encoding",
    "decode_audio",
    "encode_audio",
    "known_encoding",
    "media_type",
    "open_encoder",
    "usual_format",
    "warm_encoders",
]
