"""Playing audio, while it is being made, through whatever player the machine has."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dlpo.audio import Waveform
from dlpo.errors import EngineError, InputError
from dlpo_serving.encodings import AudioFormat, Encoding, open_encoder

_FILE_THEN_PLAY = 'cat > "$0/speech.wav" && exec afplay "$0/speech.wav"'


@dataclass(frozen=True, slots=True)
class Player:
    """A program that plays what comes from its standard input."""

    name: str
    command: tuple[str, ...]
    """with {rate} in the place of the sample rate, {folder} in that of a folder of its own"""
    encoding: Encoding
    """what it reads"""


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
    Player(  # FFmpeg; its options for bare samples have changed between versions
        "ffplay",
        ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"),
        Encoding.WAV,
    ),
    Player(  # macOS; it reads files only, so that all is made before it begins
        "afplay", ("/bin/sh", "-c", _FILE_THEN_PLAY, "{folder}"), Encoding.WAV
    ),
)


def find_player() -> Player:
    """The first player that is installed.

    Raises:
        InputError: there is none.
    """
    for player in PLAYERS:
        if shutil.which(player.name):
            return player
    names = ", ".join(player.name for player in PLAYERS)
    raise InputError(f"no audio player found ({names}); install one, or write a file with --out")


class PlayerPlayback:
    """A player at work: in a `with` statement, whose end waits until all is heard."""

    def __init__(self, player: Player, sample_rate_hz: int) -> None:
        """Samples will come at this rate."""
        self._player = player
        self._rate_hz = sample_rate_hz
        self._encoder = open_encoder(AudioFormat(player.encoding, sample_rate_hz), sample_rate_hz)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="dlpo-")
        self._complaints = Path(self._folder.name) / "stderr"  # a pipe could fill up
        filled_in = {"rate": self._rate_hz, "folder": self._folder.name}
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                [word.format_map(filled_in) for word in self._player.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
            )
        return self

    @property
    def returncode(self) -> int | None:
        """How the player ended; None while it plays."""
        return self._process.returncode

    def write(self, samples: Waveform) -> None:
        """Play (T,) float32 after what came before; waits while the player is busy.

        Raises:
            EngineError: the player failed.
        """
        self._send(self._encoder.encode(samples))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._folder:
            if error is not None:  # be silent at once
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
            raise EngineError(f"{self._player.name} ended early; use --out instead") from None

    def _end(self) -> None:
        self._process.communicate()
        if self._process.returncode:
            complaint = self._complaints.read_text(errors="replace").strip()
            raise EngineError(f"{self._player.name} failed ({complaint}); use --out instead")
