"""`make demo`: start a server, stream two sentences, and write the audio to demo.wav."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from dlpo.audio import Waveform, write_wav
from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import DlpoError
from dlpo_serving.client import SpeechClient
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest

SENTENCES = (
    "Hello! Every sound of this voice was noise, only a handful of steps ago.",
    "At half past two, on the 3rd of May, Dr. Smith paid $12.50 for speech that streams.",
)
PAUSE_S = 0.3  # between the sentences in demo.wav


def run_demo(out: Path = Path(), voice: str = DEFAULT_VOICE) -> None:
    """Start a server, speak `SENTENCES` through it, and write demo.wav into `out`.

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
    print(f"wrote {out / 'demo.wav'} ({len(waveform) / rate:.1f} s)")


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


if __name__ == "__main__":
    try:
        run_demo()
    except DlpoError as error:
        sys.exit(f"error: {error}")
