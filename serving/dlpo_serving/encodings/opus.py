"""Opus in Ogg pages as libsndfile writes them, and its packets without the pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlpo.audio import Waveform
from dlpo_serving.encodings.sndfile import OPUS, SndfileEncoder

PACKETS_PER_S = 50
LOOKAHEAD_S = 0.0065  # that the codec is behind; the stream's header says so as well


class OggOpusEncoder:
    """A stream as in RFC 7845."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Raises RequestError, see `SndfileEncoder`."""
        self._stream = SndfileEncoder(OPUS, sample_rate_hz)
        self._packet = sample_rate_hz // PACKETS_PER_S  # samples
        lookahead = round(LOOKAHEAD_S * sample_rate_hz)
        # where in its last packet the sound may end, see `finish`
        self._sound_ends = range(self._packet // 2 - lookahead + 1, self._packet - lookahead + 1)
        self._samples = 0

    def encode(self, samples: Waveform) -> bytes:
        self._samples += len(samples)
        return self._stream.encode(samples)

    def finish(self) -> bytes:
        """The rest, after up to 10 ms of silence.

        What has to come out of the lookahead may need a packet more, and libsndfile 1.2.2 makes
        that of the last samples once again; or it may need less than half a packet, and then
        libsndfile makes a shorter one. Either is heard as a click. Silence avoids both.
        """
        start = b""
        if self._samples % self._packet not in self._sound_ends:
            silence = (self._sound_ends[0] - self._samples) % self._packet
            start = self.encode(np.zeros(silence, np.float32))
        return start + self._stream.finish()


class FramedOpusEncoder:
    """[int32 length][Opus packet], again and again, as Riva's clients expect."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Raises RequestError, see `SndfileEncoder`."""
        self._ogg = OggOpusEncoder(sample_rate_hz)

    def encode(self, samples: Waveform) -> bytes:
        return _framed(self._ogg.encode(samples))

    def finish(self) -> bytes:
        """The rest; the last packet ends in silence."""
        return _framed(self._ogg.finish())


def _framed(pages: bytes) -> bytes:
    heads = (b"OpusHead", b"OpusTags")
    packets = [packet for packet in ogg_packets(pages) if not packet.startswith(heads)]
    return b"".join(len(packet).to_bytes(4, "little") + packet for packet in packets)


def ogg_packets(pages: bytes) -> Iterator[bytes]:
    """The packets of whole Ogg pages, of which none breaks off within one.

    Reference: RFC 3533, section 6.
    """
    header_bytes = 27
    at = 0
    while at < len(pages):
        lacing_at = at + header_bytes
        lacing = pages[lacing_at : lacing_at + pages[lacing_at - 1]]
        at = lacing_at + len(lacing)
        size = 0
        for segment in lacing:
            size += segment
            if segment < 255:
                yield pages[at : at + size]
                at += size
                size = 0
