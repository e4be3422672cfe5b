"""`dlpo say`: one text to a WAV file, to standard output or to the speaker."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlpo.audio import Waveform, write_wav
from dlpo.errors import InputError
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.player import find_player, play_waveform
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE, open_voice

STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said."""

    audio_s: float
    """length of the audio"""
    wall_s: float
    """time that it took to make, without loading the voice"""

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work for a second of audio."""
        return self.wall_s / self.audio_s

    def __str__(self) -> str:
        return f"{self.audio_s:.2f} s of speech in {self.wall_s:.2f} s: RTF {self.rtf:.3f}"


def say(
    text: str,
    *,
    voice: str = DEFAULT_VOICE,
    out: Path | None = None,
    play: bool = False,
    speed: float = 1.0,
    pitch_semitones: float = 0.0,
    seed: int = 0,
    steps: int | None = None,
    dictionary: Mapping[str, str] | None = None,
    server: str | None = None,
    engine: EngineName = "cpu",
    precision: EnginePrecision | None = None,
) -> Spoken:
    """Speak a text, here or on a server.

    Args:
        text, speed, pitch_semitones, seed, steps, dictionary: see `SpeechRequest`.
        voice: name or path of a bundle; with `server`, the name of one of its voices.
        out: WAV file to write; "-" is standard output.
        play: play it on this machine.
        server: host:port of a running server; None makes the audio in this process.
        engine, precision: of this process, see `open_engine`; a server has its own.

    Raises:
        InputError: a value is wrong, there is no such voice, `out` can't be written, or no player
            is installed. The last two are found before any work is done.
        BundleError, EngineError: the voice or the server failed.
        MissingExtraError: the engine's packages are not installed.
    """
    if server is not None and (engine != "cpu" or precision is not None):
        raise InputError(
            f"engine is {engine} and precision {precision}, but {server} was started with its own;"
            " leave both out"
        )
    if out is not None and out != STDOUT:
        check_writable(out)
    player = find_player() if play else None
    request = SpeechRequest(text, speed, pitch_semitones, seed, steps, dictionary or {})
    if server is None:
        waveform, rate, wall_s = _say_here(request, voice, engine, precision)
    else:
        waveform, rate, wall_s = _say_there(request, voice, server)
    if out == STDOUT:
        wav = io.BytesIO()  # the header wants the length, and a pipe can't be rewound
        write_wav(wav, waveform, rate)
        sys.stdout.buffer.write(wav.getvalue())
        sys.stdout.buffer.flush()
    elif out is not None:
        write_wav(out, waveform, rate)
    if player:
        play_waveform(player, waveform, rate)
    return Spoken(len(waveform) / rate, wall_s)


def check_writable(path: Path) -> None:
    """Raise InputError unless a file can be written at `path`; leaves nothing behind."""
    if path.is_dir():
        raise InputError(f"can't write {path}: it is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"can't write {path}: there is no folder {path.parent}; create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"can't write {path}: permission denied; choose another path")


def _say_here(
    request: SpeechRequest, voice: str, engine: EngineName, precision: EnginePrecision | None
) -> tuple[Waveform, int, float]:
    synthesizer = open_voice(voice, engine, precision)
    start = time.perf_counter()
    waveform = synthesizer.speak(request)
    return waveform, synthesizer.manifest.sample_rate_hz, time.perf_counter() - start


def _say_there(request: SpeechRequest, voice: str, server: str) -> tuple[Waveform, int, float]:
    from dlpo_serving.client import SpeechClient

    start = time.perf_counter()
    with SpeechClient(server) as client:
        stream = client.stream(request, voice)
        waveform = np.concatenate([chunk.samples for chunk in stream])
        rate = stream.info.format.sample_rate_hz
    return waveform, rate, time.perf_counter() - start
