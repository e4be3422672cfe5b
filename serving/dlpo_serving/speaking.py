"""`from dlpo import Voice, Client`: speech in two lines, in this process or from a server."""

from __future__ import annotations

import inspect
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

import numpy as np

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import InputError
from dlpo.mark import PUBLIC, NoiseMark
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.request import Encoding, SpeechRequest
from dlpo_serving.speech import Speech, spoken_here, spoken_there
from dlpo_serving.voices import known_voices, open_voice
from dlpo_serving.voices.choice import VoiceChoice
from dlpo_serving.voices.names import voice_named

if TYPE_CHECKING:
    from dlpo.text.common.ssml import Ssml
    from dlpo_serving.client import Tls
    from dlpo_serving.engines import EngineName, EnginePrecision
    from dlpo_serving.voices.synthesizer import Synthesizer

EXPECTED = "expected a str, or an iterable of them"


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
    sentence_pause_s: float | None
    paragraph_pause_s: float | None
    lead_in_s: float | None


class Speaking(ABC):
    """What speaks: the verbs of `Voice` and `Client`."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Samples a second."""

    @abstractmethod
    def _speech(
        self, text: str | Iterable[str], settings: Settings
    ) -> AbstractContextManager[Speech]:
        """The speech of a text; see `stream` for errors."""

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
        from dlpo_serving.encodings.sound_file import SoundFile, check_sound_file  # late: codecs

        out = Path(path)
        check_sound_file(out)
        rate_hz = self.sample_rate  # first, as it says which voices a server has
        with (
            self._speech(text, settings) as speech,
            SoundFile(out, rate_hz, about=speech.about) as file,
        ):
            for samples in _heard(speech):
                file.write(samples)
        return out


def _request(text: str | Iterable[str], settings: Settings) -> SpeechRequest:
    """How to speak; its text is empty if the text comes in pieces.

    Raises:
        RequestError: the text is neither, or a setting is unknown or of the wrong kind.
    """
    if unknown := settings.keys() - Settings.__annotations__.keys():
        message = f"is no setting; expected {', '.join(Settings.__annotations__)}"
        raise RequestError(*(FieldViolation(name, message) for name in sorted(unknown)))
    if isinstance(text, str):
        return SpeechRequest(text, **settings)
    if isinstance(text, bytes | Mapping) or not isinstance(text, Iterable):
        raise RequestError(FieldViolation("text", f"is {shortened(repr(text))}; {EXPECTED}"))
    return SpeechRequest("", **settings)


def _checked(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        if not isinstance(piece, str):
            what = f"has the piece {shortened(repr(piece))}; {EXPECTED}"
            raise RequestError(FieldViolation("text", what))
        yield piece


def _warn(messages: Iterable[str]) -> None:
    """Report what the text lost, as Python's own warnings, at the line that asked for speech."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_code.co_filename == __file__:
        frame, level = frame.f_back, level + 1
    for message in dict.fromkeys(messages):
        warnings.warn(message, stacklevel=level)


class Voice(Speaking):
    """A voice in this process.

        voice = Voice("heart")
        voice.save("Hello.", "hello.wav")
        samples = voice("Hello.")

    Args:
        name_or_path: a voice that came with dlpo, a mix such as `lj*0.6+nova*0.4`, or the path of
            a bundle; None is the default, and for a text in another language the first voice that
            speaks it.
        engine, precision: what computes, see `dlpo_serving.engines.open_engine`.
        mark: that its speech has, see docs/provenance.md; None: no mark, for research.

    Raises:
        InputError: there is no such voice.
        BundleError, EngineError: it can't be loaded.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        engine: EngineName = "cpu",
        precision: EnginePrecision | None = None,
        mark: NoiseMark | None = PUBLIC,
    ) -> None:
        self._synthesizer = open_voice(name_or_path, engine, precision, mark=mark)
        manifest = self._synthesizer.manifest
        self._choice = None if name_or_path else VoiceChoice(manifest.of_voices)
        self._speakers = {"": self._synthesizer}
        self.name = os.fspath(name_or_path or DEFAULT_VOICE)

    def __repr__(self) -> str:
        return f"Voice({self.name!r})"

    @staticmethod
    def list() -> list[str]:
        """Names of the voices that came with dlpo, the default one first."""
        return known_voices()

    @property
    def sample_rate(self) -> int:
        return self._synthesizer.manifest.sample_rate_hz

    def _speech(self, text: str | Iterable[str], settings: Settings) -> nullcontext[Speech]:
        request = _request(text, settings)
        speaker, looks_like = self._speaker_of(request)
        pieces = None if isinstance(text, str) else _checked(text)
        return nullcontext(spoken_here(speaker, request, pieces, looks_like))

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        with self._speech(text, settings) as speech:
            if not isinstance(text, str):
                return _heard(speech)
            _warn(speech.warnings)
            return (piece.samples for piece in speech)

    def _speaker_of(self, request: SpeechRequest) -> tuple[Synthesizer, str | None]:
        name, looks_like = self._choice.of(request) if self._choice else ("", None)
        if name not in self._speakers:
            self._speakers[name] = self._synthesizer.speaking(name)
        return self._speakers[name], looks_like


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
        rates = {voice.name: int(voice.sample_rate_hz) for voice in self._client.voices()}
        if not rates:
            raise InputError(f"{self.address} is still loading its voice; try again shortly")
        name = voice_named(self.name, [*rates]) or next(iter(rates))
        for part in name.split("+"):  # the voices of a mix have one rate
            if rate := rates.get(part.partition("*")[0].strip()):
                return rate
        raise InputError(f"{self.address} has no voice {self.name!r}; it has {', '.join(rates)}")

    def _speech(
        self, text: str | Iterable[str], settings: Settings
    ) -> AbstractContextManager[Speech]:
        request = _request(text, settings)
        pieces = None if isinstance(text, str) else _checked(text)
        return spoken_there(self._client, request, pieces, self.name, Encoding.PCM_F32)

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        spoken = self._speech(text, settings)

        def received() -> Iterator[Waveform]:
            with spoken as speech:
                yield from _heard(speech)

        return received()


def _heard(speech: Speech) -> Iterator[Waveform]:
    yield from (piece.samples for piece in speech)
    _warn(speech.warnings)
