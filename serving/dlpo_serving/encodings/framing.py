"""What goes around the packets of a codec, so that a player finds them in a stream of bytes."""

from __future__ import annotations

import struct
from typing import Protocol

from dlpo.audio import Waveform
from dlpo_serving.encodings.codec import CodecStream


class Framing(Protocol):
    """A container that is written from front to back."""

    def header(self) -> bytes:
        """What comes before the first packet."""

    def frame(self, packets: list[bytes]) -> bytes:
        """The next packets, framed."""

    def end(self, packets: list[bytes], samples: int) -> bytes:
        """The last packets of a stream of `samples` samples."""


class FramedEncoder:
    """A codec's packets in their framing."""

    def __init__(self, codec: CodecStream, framing: Framing) -> None:
        self._codec = codec
        self._framing = framing
        self._header = framing.header()
        self._samples = 0

    def encode(self, samples: Waveform) -> bytes:
        self._samples += len(samples)
        return self._take_header() + self._framing.frame(self._codec.packets(samples))

    def finish(self) -> bytes:
        return self._take_header() + self._framing.end(self._codec.flush(), self._samples)

    def _take_header(self) -> bytes:
        header, self._header = self._header, b""
        return header


class BareFraming:
    """Packets that frame themselves: MP3, and FLAC behind its header."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def header(self) -> bytes:
        return self._header

    def frame(self, packets: list[bytes]) -> bytes:
        return b"".join(packets)

    def end(self, packets: list[bytes], samples: int) -> bytes:
        return self.frame(packets)


def flac_header(stream_info: bytes) -> bytes:
    """The start of a FLAC stream of unknown length. Reference: RFC 9639, sections 6 and 8.1."""
    last_block = 0x80  # and type 0, STREAMINFO
    return b"fLaC" + struct.pack(">I", last_block << 24 | len(stream_info)) + stream_info


class LengthFraming(BareFraming):
    """[int32 length][packet], again and again, as Riva's clients expect."""

    def frame(self, packets: list[bytes]) -> bytes:
        return b"".join(struct.pack("<i", len(packet)) + packet for packet in packets)


class AdtsFraming(BareFraming):
    """A header of seven bytes before each packet of AAC. Reference: ISO/IEC 14496-3, 1.A.2."""

    def __init__(self, audio_specific_config: bytes) -> None:
        super().__init__()
        # 5 bits object type, 4 bits index of the rate, 4 bits channels
        config = int.from_bytes(audio_specific_config[:2], "big")
        profile = (config >> 11) - 1
        rate_index = config >> 7 & 0x0F
        channels = config >> 3 & 0x0F
        sync_mpeg4_no_crc = 0xFFF1
        self._fixed = sync_mpeg4_no_crc << 12 | profile << 10 | rate_index << 6 | channels << 2

    def frame(self, packets: list[bytes]) -> bytes:
        return b"".join(self._packet_header(len(packet)) + packet for packet in packets)

    def _packet_header(self, packet_bytes: int) -> bytes:
        header_bytes = 7
        any_fill = 0x7FF  # the buffer's fullness is not told
        length = packet_bytes + header_bytes  # 13 bits
        # Two flags of copyright, then the length, the fullness, and one block in this frame.
        bits = self._fixed << 28 | length << 13 | any_fill << 2
        return bits.to_bytes(header_bytes, "big")
