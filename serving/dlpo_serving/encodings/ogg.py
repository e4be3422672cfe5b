"""Opus packets in Ogg pages, each page sent as soon as it is complete.

Reference: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg).
"""

from __future__ import annotations

import struct
import zlib

GRANULES_HZ = 48_000  # of an Opus stream, whatever its rate
PACKET_GRANULES = 960  # 20 ms
SERIAL = 1  # tells streams in one file apart; here there is one
MAX_PAGE_PACKETS = 25  # of 6 segments at most (1,275 bytes); a page holds 255 segments
FIRST_PAGE, LAST_PAGE = 0x02, 0x04
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggOpusFraming:
    """An Ogg stream of one Opus stream; ends where the samples do, not where a frame does."""

    def __init__(self, opus_head: bytes, sample_rate_hz: int) -> None:
        """`opus_head`: what the codec says of itself; `sample_rate_hz`: that goes into it."""
        self._opus_head = opus_head
        (self._pre_skip,) = struct.unpack_from("<H", opus_head, 10)
        self._granules_per_sample = GRANULES_HZ // sample_rate_hz
        self._pages = 0
        self._packets = 0

    def header(self) -> bytes:
        vendor = b"dlpo"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
        return self._page([self._opus_head], 0, FIRST_PAGE) + self._page([tags], 0)

    def frame(self, packets: list[bytes]) -> bytes:
        pages = []
        for start in range(0, len(packets), MAX_PAGE_PACKETS):
            on_page = packets[start : start + MAX_PAGE_PACKETS]
            self._packets += len(on_page)
            pages.append(self._page(on_page, self._packets * PACKET_GRANULES))
        return b"".join(pages)

    def end(self, packets: list[bytes], samples: int) -> bytes:
        granules = self._pre_skip + samples * self._granules_per_sample
        return self._page(packets, granules, LAST_PAGE)

    def _page(self, packets: list[bytes], granules: int, flags: int = 0) -> bytes:
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
        version, no_checksum = 0, 0
        head = struct.pack(
            *("<4sBBqIIIB", b"OggS", version, flags, granules),
            *(SERIAL, self._pages, no_checksum, len(lacing)),
        )
        self._pages += 1
        page = head + lacing + b"".join(packets)
        checksum_at = 22
        return page[:checksum_at] + struct.pack("<I", _crc32(page)) + page[checksum_at + 4 :]


def _crc32(page: bytes) -> int:
    """Ogg's checksum: zlib's polynomial, but high bits first and without its inversions."""
    inverted = 0xFFFFFFFF
    low_first = zlib.crc32(page.translate(_REVERSED_BITS), inverted) ^ inverted
    return int(f"{low_first:032b}"[::-1], 2)
