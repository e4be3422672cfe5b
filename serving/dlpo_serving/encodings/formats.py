"""The encodings that a client may ask for, and the rates that each supports."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.request import Encoding as Encoding

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
G711_RATE_HZ = 8_000  # the standard's only rate, though some clients use others
BIT_RATE = 64_000  # bit/s. With less, libopus uses its speech coder and takes 2.5 times as long
WIDE_BAND_HZ = 16_000  # the full bit rate from here up, half of it below
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


_RATES_HZ = {  # of the encodings that don't support every rate
    Encoding.OGG_OPUS: _OPUS_RATES,
    Encoding.OPUS_FRAMED: _OPUS_RATES,
    Encoding.MP3: _MPEG_RATES,
    Encoding.AAC: _MPEG_RATES,
}

_MEDIA_TYPES = {
    Encoding.PCM_S16: "audio/pcm",  # audio/L16 would be big-endian
    Encoding.PCM_F32: "audio/pcm",
    Encoding.WAV: "audio/wav",
    Encoding.FLAC: "audio/flac",
    Encoding.OGG_OPUS: "audio/ogg; codecs=opus",
    Encoding.OPUS_FRAMED: "application/octet-stream",
    Encoding.MP3: "audio/mpeg",
    Encoding.AAC: "audio/aac",
    Encoding.MULAW: "audio/PCMU",
    Encoding.ALAW: "audio/PCMA",
}


SAMPLE_BYTES = {  # of the encodings that are samples and nothing else
    Encoding.PCM_S16: 2, Encoding.PCM_F32: 4, Encoding.MULAW: 1, Encoding.ALAW: 1,
}  # fmt: skip
_MEAN_BYTES = SAMPLE_BYTES | {Encoding.WAV: 2.0, Encoding.FLAC: 0.5}  # a sample; no bit rate


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of the bytes of a stream.

    Raises:
        RequestError: the encoding is unknown, or does not support this rate.
    """

    encoding: Encoding
    sample_rate_hz: int
    """the rate that the stream declares; 8,000 to 48,000"""

    def __post_init__(self) -> None:
        Encoding(self.encoding)
        rate = self.sample_rate_hz
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            message = f"is {shortened(str(rate))}; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}"
            raise RequestError(FieldViolation("sample_rate_hz", message))
        rates = _RATES_HZ.get(self.encoding)
        if rates and rate not in rates:
            offer = ", ".join(map(str, rates))
            message = f"is {rate}; {self.encoding} has {offer}"
            raise RequestError(FieldViolation("sample_rate_hz", message))

    @property
    def bytes_per_s(self) -> float:
        """Bytes per second of encoded speech; for FLAC an estimate, on the low side."""
        if self.encoding in _MEAN_BYTES:
            return _MEAN_BYTES[self.encoding] * self.sample_rate_hz
        return bit_rate(self.sample_rate_hz) / 8


@lru_cache(typed=True)
def format_of(encoding: Encoding, sample_rate_hz: int | None, voice_rate_hz: int) -> AudioFormat:
    """The format for a caller who names a rate, or None for `usual_format`."""
    if sample_rate_hz is None:
        return usual_format(encoding, voice_rate_hz)
    return AudioFormat(encoding, sample_rate_hz)


def usual_format(encoding: Encoding, voice_rate_hz: int) -> AudioFormat:
    """The format for a caller who names no rate.

    The voice's own rate if the encoding supports it, else the next higher; 8,000 for G.711.
    """
    if encoding in (Encoding.MULAW, Encoding.ALAW):
        return AudioFormat(encoding, G711_RATE_HZ)
    rates = _RATES_HZ.get(encoding, (voice_rate_hz,))
    for rate in rates:
        if rate >= voice_rate_hz:
            return AudioFormat(encoding, rate)
    return AudioFormat(encoding, rates[-1])


def bit_rate(sample_rate_hz: int) -> int:
    """The bit rate of an encoding that is not lossless, in bit/s."""
    return BIT_RATE if sample_rate_hz >= WIDE_BAND_HZ else BIT_RATE // 2


def not_offered(why: str) -> RequestError:
    """The error for a missing codec library; `why` says which, and how to get it."""
    return RequestError(FieldViolation("encoding", why))


def media_type(encoding: Encoding) -> str:
    """The Content-Type of an HTTP reply."""
    return _MEDIA_TYPES[encoding]
