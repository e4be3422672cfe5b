"""The picture of the demo."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from dlpo_serving.local.demo import png, spectrogram_png


def decode_png(data: bytes) -> np.ndarray:
    """A PNG of one IDAT chunk, 8 bit RGB, filter 0 -> (height, width, 3)."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, position = {}, 8
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack(">I", data[position + 8 + length : position + 12 + length])
        assert crc == zlib.crc32(name + body)
        chunks[name] = body
        position += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    np.testing.assert_array_equal(decode_png(png(pixels)), pixels)


def test_a_tone_is_a_bright_line_at_its_frequency() -> None:
    tone = np.sin(2 * np.pi * 5_512.5 * np.arange(22_050) / 22_050).astype(np.float32)

    picture = decode_png(spectrogram_png(tone)).sum(axis=2, dtype=int)

    assert abs(int(picture.mean(axis=1).argmax()) - picture.shape[0] // 2) <= 1
