"""Writing audio to a file, or to standard output, while it is being made."""

from __future__ import annotations

import os
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_serving.encodings import AudioFormat, Encoding, open_encoder, usual_format

STDOUT = Path("-")
ENCODINGS = {  # by the ending of the name
    ".wav": Encoding.WAV,
    ".flac": Encoding.FLAC,
    ".ogg": Encoding.OGG_OPUS,
    ".opus": Encoding.OGG_OPUS,
    ".mp3": Encoding.MP3,
    ".aac": Encoding.AAC,
}


def encoding_of(path: Path) -> Encoding:
    """What a file's name promises; WAV for standard output.

    Raises:
        InputError: the ending is none of `ENCODINGS`.
    """
    if path == STDOUT:
        return Encoding.WAV
    if path.suffix.lower() not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise InputError(f"{path} ends in {path.suffix or 'nothing'!r}; expected one of {known}")
    return ENCODINGS[path.suffix.lower()]


def check_writable(path: Path) -> None:
    """Raise InputError unless a file can be written at `path`; leaves nothing behind."""
    if path == STDOUT:
        return
    if path.is_dir():
        raise InputError(f"can't write {path}: it is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"can't write {path}: there is no folder {path.parent}; create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"can't write {path}: permission denied; choose another path")


class SoundFile:
    """A file that grows with the audio: in a `with` statement, whose end completes it."""

    def __init__(self, path: Path, source_rate_hz: int, sample_rate_hz: int | None = None) -> None:
        """Nothing is written yet.

        Args:
            path: its ending says the encoding; "-" is standard output, as WAV.
            source_rate_hz: of the samples that will come.
            sample_rate_hz: of the file; None is the nearest to the source's that it can have.

        Raises:
            InputError: the ending is unknown, or the encoding does not have this rate, or its
                library is not installed; later, the file can't be written, as when the disk is
                full.
        """
        self._path = path
        encoding = encoding_of(path)
        if sample_rate_hz is None:
            self._format = usual_format(encoding, source_rate_hz)
        else:
            self._format = AudioFormat(encoding, sample_rate_hz)
        self._source_rate_hz = source_rate_hz
        self._encoder = open_encoder(self._format, source_rate_hz)

    def __enter__(self) -> Self:
        with _told(self._path):
            self._unfinished = self._unfinished_path()
            out = self._unfinished or self._path
            is_stdout = self._path == STDOUT
            self._file: BinaryIO = sys.stdout.buffer if is_stdout else out.open("wb")
            # A WAV header has the length, which is filled in at the end where that is possible.
            self._wav: wave.Wave_write | None = None
            if self._format.encoding is Encoding.WAV and self._file.seekable():
                rate = self._format.sample_rate_hz
                self._wav = wave.open(self._file, "wb")
                self._wav.setparams((1, 2, rate, 0, "NONE", "not compressed"))
                bare = AudioFormat(Encoding.PCM_S16, rate)
                self._encoder = open_encoder(bare, self._source_rate_hz)
        return self

    def write(self, samples: Waveform) -> None:
        """The next (T,) float32."""
        self._write(self._encoder.encode(samples))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _told(self._path):
            try:
                if error is None:
                    self._write(self._encoder.finish())
                if self._wav:  # what was heard before an error can be played
                    self._wav.close()
                if self._path != STDOUT:
                    self._file.close()
                if self._unfinished and error is None:
                    self._unfinished.replace(self._path)
            finally:
                if self._path != STDOUT:
                    self._file.close()
                if self._unfinished:
                    self._unfinished.unlink(missing_ok=True)

    def _unfinished_path(self) -> Path | None:
        """Where to write until all of it is there; None where no file would be lost."""
        if self._path == STDOUT or not self._path.is_file():  # such as a pipe
            return None
        self._path = self._path.resolve()  # a link stays one
        return self._path.with_name(f".{self._path.name}.{os.getpid()}")

    def _write(self, audio: bytes) -> None:
        with _told(self._path):
            if self._wav:
                self._wav.writeframesraw(audio)
            else:
                self._file.write(audio)
            self._file.flush()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """A full disk is an error of ours; a reader of standard output who left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        place = "standard output" if path == STDOUT else path
        raise InputError(
            f"can't write {place}: {error.strerror}; free some room, or choose another path"
        ) from error
