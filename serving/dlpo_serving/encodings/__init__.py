"""Samples as the bytes that a client asked for: formats, and one encoder for each stream."""

from dlpo_serving.encodings.encoder import AudioEncoder, open_encoder, warm_encoders
from dlpo_serving.encodings.formats import (
    MAX_RATE_HZ,
    AudioFormat,
    Encoding,
    media_type,
    usual_format,
)

__all__ = [
    "MAX_RATE_HZ",
    "AudioEncoder",
    "AudioFormat",
    "Encoding",
    "media_type",
    "open_encoder",
    "usual_format",
    "warm_encoders",
]
