"""`make demo`: start a server, stream two sentences, write what came as sound and as a picture."""

from __future__ import annotations

import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform, write_wav
from dlpo.errors import DlpoError
from dlpo_serving.client import SpeechClient
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE

SENTENCES = (
    "Hello! Every sound of this voice was noise, only a handful of steps ago.",
    "At half past two, on the 3rd of May, Dr. Smith paid $12.50 for speech that streams.",
)
PAUSE_S = 0.3  # between the sentences in demo.wav


def run_demo(out: Path = Path(), voice: str = DEFAULT_VOICE) -> None:
    """Speak `SENTENCES` through a server of its own; write demo.wav and demo.png into `out`.

    Raises:
        DlpoError: the voice, the server or a file failed; the message says what to do.
    """
    with local_server(voice) as server, SpeechClient(server.address) as client:
        client.wait_until_serving()
        print(f"server {server.address} SERVING after {server.start_s:.2f} s")
        spoken = [_speak(client, sentence) for sentence in SENTENCES]
        rate = client.voices()[0].sample_rate_hz
    pause = np.zeros(round(PAUSE_S * rate), np.float32)
    waveform = np.concatenate([spoken[0], pause, *spoken[1:]])
    write_wav(out / "demo.wav", waveform, rate)
    (out / "demo.png").write_bytes(spectrogram_png(waveform))
    print(f"wrote {out / 'demo.wav'} ({len(waveform) / rate:.1f} s) and {out / 'demo.png'}")


def _speak(client: SpeechClient, sentence: str) -> Waveform:
    start = time.perf_counter()
    stream = client.stream(SpeechRequest(sentence))
    chunks, arrivals_s = [], []
    for chunk in stream:
        chunks.append(chunk.samples)
        arrivals_s.append(time.perf_counter() - start)
    waveform = np.concatenate(chunks)
    audio_s = len(waveform) / stream.info.format.sample_rate_hz
    print(f"  {sentence}")
    print(
        f"    first audio {1000 * arrivals_s[0]:.0f} ms, {len(chunks)} chunks,"
        f" {audio_s:.1f} s of speech in {arrivals_s[-1]:.2f} s: RTF {arrivals_s[-1] / audio_s:.3f}"
    )
    return waveform


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


if __name__ == "__main__":
    try:
        run_demo()
    except DlpoError as error:
        sys.exit(f"error: {error}")
