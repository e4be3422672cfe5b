"""`from dlpo import Voice, Client`: speech in two lines, in this process or from a server."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_serving.local.say import calls_of
from dlpo_serving.local.sound_file import SoundFile, check_writable, encoding_of
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import known_voices, open_voice

if TYPE_CHECKING:
    from dlpo.text.common.ssml import Ssml
    from dlpo_serving.client import SpeechStream, Tls
    from dlpo_serving.engines import EngineName, EnginePrecision


class Settings(TypedDict, total=False):
    """How to speak; `SpeechRequest` has the ranges and the defaults."""

    speed: float
    pitch_semitones: float
    seed: int
    steps: int
    dictionary: Mapping[str, str]
    ssml: bool | Ssml
    volume_db: float
    code: str
    emoji: str
    language: str
    dates: str
    directions: bool


class Speaking(ABC):
    """What speaks: the verbs of `Voice` and `Client`."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Samples a second."""

    @abstractmethod
    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        """The audio of a text while it is made; closing the iterator stops the work.

        Args:
            text: all of it, or pieces as they are written: each sentence is spoken once it is
                complete.

        Yields:
            (T,) float32 in [-1, 1].

        Raises:
            RequestError: a setting is out of range, or the text has no words.
            EngineError: the run-time or the server failed.
        """

    def __call__(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Waveform:
        """All of the audio at once, (T,) float32; see `stream`."""
        return np.concatenate([*self.stream(text, **settings)])

    def save(
        self,
        text: str | Iterable[str],
        path: str | os.PathLike[str],
        **settings: Unpack[Settings],
    ) -> Path:
        """Speak into a file of the kind that its ending names; returns its path.

        Raises:
            InputError: the ending names no format, or the file can't be written.
            MissingExtraError: the format's package is not installed.
        """
        out = Path(path)
        encoding_of(out)
        check_writable(out)
        with SoundFile(out, self.sample_rate) as file:
            for samples in self.stream(text, **settings):
                file.write(samples)
        return out


class Voice(Speaking):
    """A voice in this process.

        voice = Voice("heart")
        voice.save("Hello.", "hello.wav")
        samples = voice("Hello.")

    Args:
        name_or_path: a voice that came with dlpo, a mix such as `lj*0.6+nova*0.4`, or the path of
            a bundle.
        engine, precision: what computes, see `dlpo_serving.engines.open_engine`.

    Raises:
        InputError: there is no such voice.
        BundleError, EngineError: it can't be loaded.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str] = DEFAULT_VOICE,
        *,
        engine: EngineName = "cpu",
        precision: EnginePrecision | None = None,
    ) -> None:
        self.name = os.fspath(name_or_path)
        self._synthesizer = open_voice(name_or_path, engine, precision)

    def __repr__(self) -> str:
        return f"Voice({self.name!r})"

    @staticmethod
    def list() -> list[str]:
        """Names of the voices that came with dlpo, the default one first."""
        return known_voices()

    @property
    def sample_rate(self) -> int:
        return self._synthesizer.manifest.sample_rate_hz

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        if isinstance(text, str):
            prepared = self._synthesizer.read(SpeechRequest(text, **settings))
            chunks = self._synthesizer.stream(prepared)
        else:
            chunks = self._synthesizer.stream_pieces(text, SpeechRequest("", **settings))
        return (chunk.samples for chunk in chunks)


class Client(Speaking):
    """A voice of a server, with the verbs of `Voice`; `dlpo_serving.client` can do more.

        with Client("127.0.0.1:50051", "heart") as voice:
            voice.save("Hello.", "hello.wav")

    Args:
        address: of the gRPC port, such as 127.0.0.1:50051.
        name: one of the server's voices; its default if empty.
        tls: encrypts; see `dlpo_serving.client.Tls`.
        token: sent as the bearer token; the variable DLPO_TOKEN by default.

    Raises:
        InputError: the address is no address, or a setting is wrong.
    """

    def __init__(
        self, address: str, name: str = "", *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        from dlpo_serving.client import SpeechClient  # late: `Voice` needs no gRPC

        self.address = address
        self.name = name
        self._client = SpeechClient(address, tls=tls, token=token)

    def __repr__(self) -> str:
        return f"Client({self.address!r}, {self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that run are cut."""
        self._client.close()

    def list(self) -> list[str]:
        """Names of the server's voices, the default one first.

        Raises:
            CallError: the server can't be reached.
        """
        return [voice.name for voice in self._client.voices()]

    @property
    def sample_rate(self) -> int:
        found = [v for v in self._client.voices() if self.name in ("", v.name)]
        if not found:
            raise InputError(
                f"{self.address} has no voice {self.name!r}; it has {', '.join(self.list())}"
            )
        return int(found[0].sample_rate_hz)

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        from dlpo_serving.client import ReplyFormat

        whole, pieces = (text, None) if isinstance(text, str) else ("", text)
        request = SpeechRequest(whole, **settings)
        return _received(calls_of(self._client, request, pieces, self.name, ReplyFormat()))


def _received(calls: Iterable[tuple[SpeechStream, float]]) -> Iterator[Waveform]:
    for stream, _ in calls:
        with stream:
            yield from (chunk.samples for chunk in stream)
