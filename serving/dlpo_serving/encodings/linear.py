"""Samples as they are: 16 bit or float, bare or behind a WAV header."""

from __future__ import annotations

import struct

from dlpo.audio import Waveform, to_pcm16

OPEN_END = 0xFFFFFFFF  # bytes, in a WAV header: as long as there is more


class Pcm16Encoder:
    """Little-endian signed 16 bit."""

    def encode(self, samples: Waveform) -> bytes:
        return to_pcm16(samples).astype("<i2").tobytes()

    def finish(self) -> bytes:
        return b""


class PcmFloatEncoder:
    """Little-endian 32 bit floats."""

    def encode(self, samples: Waveform) -> bytes:
        return samples.astype("<f4").tobytes()

    def finish(self) -> bytes:
        return b""


class WavEncoder:
    """16 bit behind a header that goes out first and so can't know the length."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._header = wav_header(sample_rate_hz)
        self._pcm = Pcm16Encoder()

    def encode(self, samples: Waveform) -> bytes:
        header, self._header = self._header, b""
        return header + self._pcm.encode(samples)

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        return header


def wav_header(sample_rate_hz: int) -> bytes:
    """The 44 bytes before mono 16 bit samples of unknown number."""
    sample_bytes = 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", OPEN_END, b"WAVE"),
        *(b"fmt ", 16, 1, 1, sample_rate_hz, sample_rate_hz * sample_bytes, sample_bytes, 16),
        *(b"data", OPEN_END),
    )
