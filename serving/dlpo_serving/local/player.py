"""Plays audio while it is being made, with any player that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Self

from dlpo.audio import Waveform
from dlpo.errors import EngineError
from dlpo_serving.encodings.encoder import open_encoder
from dlpo_serving.encodings.formats import AudioFormat, Encoding
from dlpo_serving.encodings.sound_file import SoundFile

_FILE_THEN_PLAY = 'cat > "$0/speech.wav" && exec afplay "$0/speech.wav"'
_NO_DEVICE = re.compile(  # as SDL, ALSA and PulseAudio say it
    r"SDL_OpenAudio|audio open|Failed to open file|[Nn]o (?:such|available|sound).*(?:device|card)"
    r"|Connection refused"
)
NO_PLAYER = (
    "no audio player is installed: apt-get install alsa-utils, or on any system ffmpeg for ffplay"
)
PLAYER_TRUSTED_AFTER_S = (
    10.0  # of audio accepted by a player: more than the pipe and its own buffer hold
)


@dataclass(frozen=True, slots=True)
class Player:
    """A program that plays its standard input."""

    name: str
    command: tuple[str, ...]
    """command line; {rate} becomes the sample rate, {folder} a temporary folder"""
    encoding: Encoding
    """encoding of its input"""


PLAYERS = (
    Player(  # PulseAudio or PipeWire
        "pacat",
        ("pacat", "--playback", "--format=s16le", "--channels=1", "--rate={rate}"),
        Encoding.PCM_S16,
    ),
    Player(  # ALSA
        "aplay",
        ("aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}"),
        Encoding.PCM_S16,
    ),
    Player(  # FFmpeg; its options for raw samples have changed between versions
        "ffplay",
        ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"),
        Encoding.WAV,
    ),
    Player(  # macOS; it reads only files, so it starts once all audio is made
        "afplay", ("/bin/sh", "-c", _FILE_THEN_PLAY, "{folder}"), Encoding.WAV
    ),
)


class PlayerPlayback:
    """A running player; use it in a `with` statement, whose end waits until all audio is played."""

    def __init__(self, player: Player, sample_rate_hz: int) -> None:
        """`sample_rate_hz`: of the samples to play."""
        self._player = player
        self._rate_hz = sample_rate_hz
        self._encoder = open_encoder(AudioFormat(player.encoding, sample_rate_hz), sample_rate_hz)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="dlpo-")
        self._complaints = Path(self._folder.name) / "stderr"  # a pipe could fill up
        self._start = time.monotonic()
        self._samples = 0
        filled_in = {"rate": self._rate_hz, "folder": self._folder.name}
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                [word.format_map(filled_in) for word in self._player.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
            )
        return self

    def write(self, samples: Waveform) -> None:
        """Play (T,) float32 after what came before; waits while the player is busy.

        Raises:
            EngineError: the player failed.
        """
        self._samples += len(samples)
        self._send(self._encoder.encode(samples))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._folder:
            if error is not None:  # stop playback immediately
                self._process.kill()
                self._process.communicate()
                return
            self._send(self._encoder.finish())
            self._end()

    def _send(self, audio: bytes) -> None:
        assert self._process.stdin  # it is a pipe
        try:
            self._process.stdin.write(audio)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._end()
            self._folder.cleanup()
            raise EngineError(f"{self._player.name} exited early") from None

    def _end(self) -> None:
        self._process.communicate()
        played_s = time.monotonic() - self._start
        complaint = self._complaints.read_text(errors="replace").strip().splitlines()
        # ffplay exits with 0 if it finds no audio device: it says so, and may end too early.
        silent = any(map(_NO_DEVICE.search, complaint))
        if self._process.returncode or silent or played_s < self._samples / self._rate_hz / 2:
            self._folder.cleanup()
            raise EngineError(f"{self._player.name}: {(complaint or ['played nothing'])[-1]}")


class Loudspeaker:
    """The first player that works, otherwise a file; use it in a `with` statement."""

    def __init__(self, sample_rate_hz: int, *, or_in: Path | None, about: str = "") -> None:
        """`or_in`: the folder of the file, a temporary one if it can't be written; None: the
        samples are lost if no player works. `about`: what that file says of its origin."""
        self._about = about
        self.sounds = True
        """whether a player, or at least a file, has received the audio"""
        self.summary = ""
        """which one, and why playback failed if it did"""
        self._rate_hz = sample_rate_hz
        self._or_in = or_in
        self._players = (player for player in PLAYERS if shutil.which(player.name))
        self._failures: list[str] = []
        self._sink: PlayerPlayback | SoundFile | None = None
        self._kept: list[Waveform] = []  # for the next player

    def __enter__(self) -> Self:
        self._next()
        return self

    def write(self, samples: Waveform) -> None:
        """Play (T,) float32 after what came before; waits while the player is busy.

        Raises:
            EngineError: a player failed after playing for a while.
        """
        with self._or_next():
            if not self._is_proven():
                self._kept.append(samples)
            if self._sink:
                self._sink.write(samples)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        while self._sink:
            sink = self._sink
            self._sink = None
            with self._or_next(enabled=error is None):
                sink.__exit__(kind, error, trace)

    def _is_proven(self) -> bool:
        return sum(map(len, self._kept)) > PLAYER_TRUSTED_AFTER_S * self._rate_hz

    @contextmanager
    def _or_next(self, enabled: bool = True) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            if self._is_proven() or not enabled:
                raise EngineError(f"{error}; write a file with --out") from error
            self._failures.append(str(error))
            self._next()

    def _next(self) -> None:
        """Start over with the next player, or with the file."""
        self._sink = None
        player = next(self._players, None)
        with self._or_next():
            if player:
                self.summary = f"played by {player.name}"
                sink: PlayerPlayback | SoundFile = PlayerPlayback(player, self._rate_hz)
            else:
                none = "; ".join(self._failures) or NO_PLAYER
                self.summary = f"playback failed ({none})"
                self.sounds = self._or_in is not None
                if self._or_in is None:
                    return
                path = _free_path(self._or_in)
                self.summary += f"; wrote {path}"
                sink = SoundFile(path, self._rate_hz, about=self._about)
            sink.__enter__()
            self._sink = sink
            for samples in self._kept:
                sink.write(samples)


def _free_path(folder: Path) -> Path:
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir())
    names = (f"speech-{number}.wav" for number in count(2))
    return next(
        folder / name for name in chain(["speech.wav"], names) if not (folder / name).exists()
    )
