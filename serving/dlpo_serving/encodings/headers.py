"""What a file says of its length before its audio: headers of WAV, FLAC and MP3.

A stream begins before its length is known, so its header leaves the length open. A file, or a
stream whose length is known in time, has it filled in, so that players show it, and decoders cut
off what an MP3 encoder adds at both ends.
"""

from __future__ import annotations

import struct

from dlpo_serving.encodings.formats import AudioFormat, Encoding, bit_rate
from dlpo_serving.encodings.provenance import id3_bytes, wav_tail

OPEN_END = 0xFFFFFFFF  # bytes; as the length in a WAV header: until the stream ends
HEADER_BYTES = 2048  # that `with_length` looks at; no header is longer
FLAC_COUNTS = slice(18, 26)  # of STREAMINFO: 20 bits rate, 8 channels and width, 36 samples
LAME_DELAY = 576  # samples that LAME puts before the audio, and its least number after it
HAS_FRAMES, HAS_BYTES = 1, 2  # flags: FFmpeg skips a header that has neither
TAG = b"LAME3.100"  # makes decoders read the delay


def wav_header(sample_rate_hz: int) -> bytes:
    """The 44-byte header for mono 16-bit samples; sent first, so it leaves the length open."""
    sample_bytes = 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", OPEN_END, b"WAVE"),
        *(b"fmt ", 16, 1, 1, sample_rate_hz, sample_rate_hz * sample_bytes, sample_bytes, 16),
        *(b"data", OPEN_END),
    )


def with_length(content: bytes, format: AudioFormat, samples: int, about: str = "") -> bytes:
    """The beginning of a stream, or all of it, with its length in the header if it has one.

    Args:
        content: at least the header.
        samples: of the whole stream, at its rate.
        about: what the end of a WAV file says of its origin; see `provenance`.
    """
    match format.encoding:
        case Encoding.WAV:
            tail = wav_tail(about)
            sizes = 36 + 2 * samples + len(tail), 2 * samples
            rest = content[44:] + tail * (len(content) >= 44 + 2 * samples)
            return content[:4] + _u32(sizes[0]) + content[8:40] + _u32(sizes[1]) + rest
        case Encoding.FLAC:
            counts = int.from_bytes(content[FLAC_COUNTS], "big") >> 36 << 36 | samples
            return content[:18] + counts.to_bytes(8, "big") + content[26:]
        case Encoding.MP3:
            header = mp3_header(format.sample_rate_hz, samples)
            tag = id3_bytes(content)
            return content[:tag] + header + content[tag + len(header) :]
    return content


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def mp3_header(sample_rate_hz: int, samples: int | None = None) -> bytes:
    """The first frame of a stream, silent, with LAME's delay and the length if it is known.

    Reference: http://gabriel.mp3-tech.org/mp3infotag.html
    """
    is_mpeg1 = sample_rate_hz >= 32_000
    per_frame = 1152 if is_mpeg1 else 576
    padding, flags = 0, HAS_BYTES
    count = OPEN_END.to_bytes(4, "big")
    if samples is not None:
        padding = per_frame - (samples + LAME_DELAY) % per_frame
        padding += per_frame if padding < LAME_DELAY else 0
        count = ((samples + LAME_DELAY + padding) // per_frame).to_bytes(4, "big")
        flags = HAS_FRAMES
    side_information = bytes(17 if is_mpeg1 else 9)
    constant_rate = b"\x01"
    before_delay = bytes(1 + 4 + 2 + 2 + 1) + bytes([bit_rate(sample_rate_hz) // 1000])
    delays = (LAME_DELAY << 12 | padding).to_bytes(3, "big")
    tag = b"Info" + flags.to_bytes(4, "big") + count + TAG + constant_rate + before_delay + delays
    frame = _frame_header(sample_rate_hz) + side_information + tag
    return frame.ljust(index_bytes(sample_rate_hz), b"\0")


def index_bytes(sample_rate_hz: int) -> int:
    """Size of the first MP3 frame, which holds the header."""
    samples = 1152 if sample_rate_hz >= 32_000 else 576
    return samples * bit_rate(sample_rate_hz) // (8 * sample_rate_hz)


def _frame_header(sample_rate_hz: int) -> bytes:
    """Four bytes: mono, constant bit rate, no checksum; ISO/IEC 11172-3, 2.4.1.3."""
    version = 3 if sample_rate_hz >= 32_000 else 2 if sample_rate_hz >= 16_000 else 0
    base_hz = {3: 1, 2: 2, 0: 4}[version] * sample_rate_hz
    rates = {44_100: 0, 48_000: 1, 32_000: 2}
    kbits = bit_rate(sample_rate_hz) // 1000
    mpeg1 = (0, 32, 40, 48, 56, 64)
    others = (0, 8, 16, 24, 32, 40, 48, 56, 64)
    index = (mpeg1 if version == 3 else others).index(kbits)
    bits = 0x7FF << 21 | version << 19 | 1 << 17 | 1 << 16 | index << 12 | rates[base_hz] << 10
    return (bits | 3 << 6 | 1 << 2).to_bytes(4, "big")
