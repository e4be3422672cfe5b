"""A file that grows while audio is made, or standard output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_serving.encodings.encoder import open_encoder
from dlpo_serving.encodings.formats import Encoding, format_of
from dlpo_serving.encodings.headers import HEADER_BYTES, with_length
from dlpo_serving.encodings.provenance import wav_tail
from dlpo_serving.errors import FieldViolation, RequestError

STDOUT = Path("-")
ANY_RATE_HZ = 22_050  # sample rate for checking an encoding before the voice is loaded
ENCODINGS = {  # by file name extension
    ".wav": Encoding.WAV,
    ".flac": Encoding.FLAC,
    ".ogg": Encoding.OGG_OPUS,
    ".opus": Encoding.OGG_OPUS,
    ".mp3": Encoding.MP3,
    ".aac": Encoding.AAC,
}


def encoding_of(path: Path | BinaryIO, format: str | None = None) -> Encoding:
    """The encoding for a file name's extension; WAV for standard output.

    Args:
        format: an extension in place of the file's own, with or without its point.

    Raises:
        RequestError: the extension is not in `ENCODINGS`.
    """
    if path == STDOUT and format is None:
        return Encoding.WAV
    given = f".{format.removeprefix('.')}" if format is not None else ""
    suffix = given or (path.suffix if isinstance(path, Path) else "")
    if suffix.lower() not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        named, ending = (given, "") if given else (str(path), "a name ending in ")
        message = f"{named!r} names no audio format; expected {ending}one of {known}"
        raise RequestError(FieldViolation("format" if given else "encoding", message))
    return ENCODINGS[suffix.lower()]


def check_sound_file(
    path: Path | BinaryIO, sample_rate_hz: int | None = None, format: str | None = None
) -> None:
    """Raise whatever `SoundFile` would, before there is audio; leaves nothing behind."""
    encoding_of(path, format)
    if isinstance(path, Path):
        check_writable(path)
    SoundFile(path, ANY_RATE_HZ, sample_rate_hz, format=format)


def check_writable(path: Path) -> None:
    """Raise InputError unless a file can be written at `path`; leaves nothing behind."""
    if path == STDOUT:
        if sys.stdout.isatty():
            message = "standard output is a terminal; redirect it, as in -o - > speech.wav"
            raise RequestError(FieldViolation("encoding", message))
        return
    if path.is_dir():
        raise InputError(f"can't write {path}: it is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"can't write {path}: there is no folder {path.parent}; create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"can't write {path}: permission denied; choose another path")


class SoundFile:
    """A file that grows with the audio; use it in a `with` statement, whose end completes it."""

    def __init__(
        self,
        path: Path | BinaryIO,
        source_rate_hz: int,
        sample_rate_hz: int | None = None,
        about: str = "",
        format: str | None = None,
    ) -> None:
        """Nothing is written yet.

        Args:
            path: its extension selects the encoding; "-" is standard output, as WAV. Or a file
                that is open for writing bytes, which stays open.
            source_rate_hz: of the samples to write.
            sample_rate_hz: of the file; None means that of `usual_format`.
            about: what its metadata say of its origin; see `provenance`.
            format: see `encoding_of`.

        Raises:
            InputError: the extension is unknown, the encoding does not support this rate, or its
                library is not installed; later, the file can't be written, for example because the
                disk is full.
        """
        self._given = path if not isinstance(path, Path) else None
        if path == STDOUT:
            self._given = sys.stdout.buffer
        self._path = path if isinstance(path, Path) else Path("the file object")
        self._format = format_of(encoding_of(path, format), sample_rate_hz, source_rate_hz)
        self._encoder = open_encoder(self._format, source_rate_hz, about)
        self._about = about

    def __enter__(self) -> Self:
        with as_input_error(self._path):
            self._unfinished = None if self._given else self._unfinished_path()
            self._file: BinaryIO = self._given or (self._unfinished or self._path).open("wb")
            self._begin = self._file.tell() if self._given and self._file.seekable() else 0
            self._header = b""  # gets the length at the end, if the file is seekable
        return self

    def write(self, samples: Waveform) -> None:
        """The next (T,) float32."""
        with _interrupted_later():
            self._write(self._encoder.encode(samples))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with as_input_error(self._path):
            try:
                if error is None or isinstance(error, KeyboardInterrupt):
                    self._write(self._encoder.finish())
                if self._header and self._file.seekable():  # audio before an error stays playable
                    samples = self._encoder.samples
                    if self._format.encoding is Encoding.WAV:
                        self._file.write(wav_tail(self._about))
                    end = self._file.tell()
                    self._file.seek(self._begin)
                    header = with_length(self._header, self._format, samples, self._about)
                    self._file.write(header[: len(self._header)])
                    self._file.seek(end)
                if not self._given:
                    self._file.close()
                if self._unfinished and error is None:
                    self._unfinished.replace(self._path)
            finally:
                if not self._given:
                    self._file.close()
                if self._unfinished:
                    self._unfinished.unlink(missing_ok=True)

    def _unfinished_path(self) -> Path | None:
        """Temporary path to write to first; None if no existing file would be lost."""
        if not self._path.is_file():  # new, or a pipe
            return None
        self._path = self._path.resolve()  # keep a symbolic link
        return self._path.with_name(f".{self._path.name}.{os.getpid()}")

    def _write(self, audio: bytes) -> None:
        with as_input_error(self._path):
            self._header = self._header or audio[:HEADER_BYTES]
            self._file.write(audio)
            self._file.flush()


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Raise an interrupt at the block's end: libsndfile calls Python, where it would be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


@contextmanager
def as_input_error(path: Path) -> Iterator[None]:
    """Report OSError, such as a full disk, as InputError; let a broken pipe pass."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        place = "standard output" if path == STDOUT else path
        if path == STDOUT:  # otherwise Python would flush its buffer at exit, and fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(
            f"can't write {place}: {error.strerror}; free some space or choose another path"
        ) from error
