"""Playing audio through whatever player the machine has."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from dlpo.audio import Waveform, write_wav
from dlpo.errors import EngineError, InputError

PLAYERS = (  # PulseAudio or PipeWire, ALSA, macOS, FFmpeg
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
)


def find_player() -> list[str]:
    """The command of the first player that is installed.

    Raises:
        InputError: there is none.
    """
    for name, *options in PLAYERS:
        if path := shutil.which(name):
            return [path, *options]
    names = ", ".join(name for name, *_ in PLAYERS)
    raise InputError(f"no audio player found ({names}); install one, or write a file with --out")


def play_waveform(player: list[str], waveform: Waveform, sample_rate_hz: int) -> None:
    """Play (T,) float32 and return when it is over.

    Raises:
        EngineError: the player failed.
    """
    with tempfile.TemporaryDirectory(prefix="dlpo-") as folder:
        path = Path(folder) / "speech.wav"
        write_wav(path, waveform, sample_rate_hz)
        result = subprocess.run([*player, str(path)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise EngineError(
            f"{player[0]} failed ({result.stderr.strip()}); use --out instead of --play"
        )
