"""`from dlpo import Voice`: speech in two lines, and the verbs that `Client` shares."""

from __future__ import annotations

import inspect
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, TypedDict, Unpack, overload

import numpy as np

from dlpo.audio import Waveform
from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import InputError
from dlpo.mark import PUBLIC, NoiseMark
from dlpo_serving.encodings.sound_file import SoundFile, check_sound_file
from dlpo_serving.errors import FieldViolation, RequestError, shortened
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speech import Speech, spoken_here
from dlpo_serving.spoken import Account, SpokenText, as_out
from dlpo_serving.voices import known_voices, open_voice
from dlpo_serving.voices.choice import VoiceChoice

if TYPE_CHECKING:
    from dlpo.text.common.ssml import Ssml
    from dlpo_serving.engines import EngineName, EnginePrecision
    from dlpo_serving.voices.synthesizer import Synthesizer

_OWN = os.path.dirname(__file__) + os.sep
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
    duration_s: float | None


class Speaking(ABC):
    """What speaks: the verbs of `Voice` and `Client`. Threads may share it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds; calls that run are cut, later ones raise InputError."""

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

    def speak(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> SpokenText:
        """The audio with times of words, sentences, captions and what was not spoken."""
        with self._speech(text, settings) as speech:
            account = Account(speech)
            for piece in speech:
                account.add(piece)
        warn(speech.warnings)
        return account.whole()

    @overload
    def save(
        self,
        text: str | Iterable[str],
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        **settings: Unpack[Settings],
    ) -> Path: ...

    @overload
    def save(
        self,
        text: str | Iterable[str],
        path: BinaryIO,
        *,
        format: str,
        **settings: Unpack[Settings],
    ) -> BinaryIO: ...

    def save(
        self,
        text: str | Iterable[str],
        path: str | os.PathLike[str] | BinaryIO,
        *,
        format: str | None = None,
        **settings: Unpack[Settings],
    ) -> Path | BinaryIO:
        """Speak into a file of the kind that its ending or `format` names; returns the file.

        Args:
            path: of the file, or a file that is open for writing bytes, which stays open.
            format: wav, flac, ogg, opus, mp3 or aac.

        Raises:
            InputError: there is no such format, or the file can't be written.
            MissingExtraError: the format's package is not installed.
        """
        out = as_out(path)
        check_sound_file(out, format=format)
        rate_hz = self.sample_rate  # first, as it says which voices a server has
        with (
            self._speech(text, settings) as speech,
            SoundFile(out, rate_hz, about=speech.about, format=format) as file,
        ):
            for samples in heard(speech):
                file.write(samples)
        return out


def request_of(text: object, settings: Settings) -> SpeechRequest:
    """How to speak; its text is empty if the text comes in pieces.

    Raises:
        RequestError: the text is neither, or a setting is unknown or of the wrong kind.
    """
    if unknown := settings.keys() - Settings.__annotations__.keys():
        message = f"is no setting; expected {', '.join(Settings.__annotations__)}"
        raise RequestError(*(FieldViolation(name, message) for name in sorted(unknown)))
    if isinstance(text, str):
        return SpeechRequest(text, **settings)
    if isinstance(text, bytes | Mapping) or not isinstance(text, Iterable | AsyncIterable):
        raise RequestError(FieldViolation("text", f"is {shortened(repr(text))}; {EXPECTED}"))
    return SpeechRequest("", **settings)


def checked(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        if not isinstance(piece, str):
            what = f"has the piece {shortened(repr(piece))}; {EXPECTED}"
            raise RequestError(FieldViolation("text", what))
        yield piece


def warn(messages: Iterable[str]) -> None:
    """Report what the text lost, as Python's own warnings, at the line that asked for speech."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_code.co_filename.startswith(_OWN):
        frame, level = frame.f_back, level + 1
    for message in dict.fromkeys(messages):
        warnings.warn(message, stacklevel=level)


def heard(speech: Speech) -> Iterator[Waveform]:
    """The audio of a speech; at its end, what the text lost is a warning."""
    yield from (piece.samples for piece in speech)
    warn(speech.warnings)


class Voice(Speaking):
    """A voice in this process.

        voice = Voice("heart")
        voice.save("Hello.", "hello.wav")
        samples = voice("Hello.")
        voice.speak("Hello.").words

    `with` and `close` give its memory back at once; a pickle of it has the name alone.

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
        self._opened = partial(Voice, name_or_path, engine=engine, precision=precision, mark=mark)
        synthesizer = open_voice(name_or_path, engine, precision, mark=mark)
        self._manifest = synthesizer.manifest
        self._choice = None if name_or_path else VoiceChoice(self._manifest.of_voices)
        self._speakers = {"": synthesizer}
        self.name = os.fspath(name_or_path or DEFAULT_VOICE)

    def __repr__(self) -> str:
        return f"Voice({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[], Voice], tuple[()]]:
        return self._opened, ()

    def close(self) -> None:
        self._speakers.clear()

    @staticmethod
    def list() -> list[str]:
        """Names of the voices that came with dlpo, the default one first."""
        return known_voices()

    @property
    def sample_rate(self) -> int:
        return self._manifest.sample_rate_hz

    def _speech(self, text: str | Iterable[str], settings: Settings) -> nullcontext[Speech]:
        request = request_of(text, settings)
        speaker, looks_like = self._speaker_of(request)
        pieces = None if isinstance(text, str) else checked(text)
        return nullcontext(spoken_here(speaker, request, pieces, looks_like))

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        with self._speech(text, settings) as speech:
            if not isinstance(text, str):
                return heard(speech)
            warn(speech.warnings)
            return (piece.samples for piece in speech)

    def _speaker_of(self, request: SpeechRequest) -> tuple[Synthesizer, str | None]:
        name, looks_like = self._choice.of(request) if self._choice else ("", None)
        if not self._speakers:
            raise InputError(f"the voice {self.name!r} is closed; open it again")
        if name not in self._speakers:
            self._speakers[name] = self._speakers[""].speaking(name)
        return self._speakers[name], looks_like
