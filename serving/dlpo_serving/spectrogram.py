"""A spectrogram as a PNG picture, with numpy and zlib alone."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform

WINDOW = 1024  # samples
COLUMNS = 900  # pixels of a picture, at most about this many
RANGE_DB = 80.0  # from the loudest point down to black

# Black, violet, orange, white: lightness rises evenly, so that it also reads in grey.
_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 200]])


def spectrogram_png(waveform: Waveform) -> bytes:
    """(T,) float32 -> PNG: time to the right, 0 Hz to the Nyquist frequency upwards, decibels."""
    hop = max(len(waveform) // COLUMNS, WINDOW // 8)
    padded = np.pad(waveform, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2  # (frames, bins)
    level_db = 10 * np.log10(power + 1e-12)
    brightness = np.clip((level_db - level_db.max()) / RANGE_DB + 1, 0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    picture = np.stack([np.interp(brightness, stops, c) for c in _COLOURS.T], axis=-1)
    return png(np.flip(picture.transpose(1, 0, 2), axis=0).astype(np.uint8))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(height, width, 3) RGB -> the bytes of a PNG file. Reference: ISO/IEC 15948."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bit, RGB
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))  # filter 0 before each row
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(rows.tobytes())),
            (b"IEND", b""),
        )
    )
