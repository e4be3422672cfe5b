"""`dlpo say`: speaks a text into a file, standard output or the speaker, as audio is made."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlpo.errors import EngineError, InputError
from dlpo.mark import PUBLIC, NoiseMark
from dlpo.operating_system import is_quiet
from dlpo_serving.alignment import TimedWords
from dlpo_serving.captions import Captioner, format_named
from dlpo_serving.encodings.sound_file import (
    SoundFile,
    as_input_error,
    check_sound_file,
    check_writable,
)
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.local.player import Loudspeaker
from dlpo_serving.local.subtitles import Cue, in_slots
from dlpo_serving.request import Encoding, SpeechRequest
from dlpo_serving.speech import Speech, SpokenPiece, spoken_here, spoken_there
from dlpo_serving.voices import open_voice

if TYPE_CHECKING:
    from dlpo.v1.speech_pb2 import Flush
    from dlpo_serving.client.connection import Connection
    from dlpo_serving.client.messages import Piece

Progress = Callable[[float, float], None]
"""Called with the seconds of audio so far and the share of the text spoken, 0 if unknown."""
QUIET_S = 0.1  # pause in input after a complete line: its writer is waiting to hear it
_MOST = 1 << 16  # bytes of one piece


class Written(NamedTuple):
    """The files of a speech."""

    path: Path | None = None
    """of the sound"""
    sample_rate_hz: int | None = None
    """of that file; None means that of `usual_format`"""
    captions: Path | None = None
    """file to write them to: .srt, .vtt or .json"""


@dataclass(frozen=True, slots=True)
class InProcess:
    """Synthesis in this process; see `open_engine`."""

    engine: EngineName = "cpu"
    precision: EnginePrecision | None = None
    mark: NoiseMark | None = PUBLIC
    """that the speech has; None: no mark, for research"""


@dataclass(frozen=True, slots=True)
class SayResult:
    """What was spoken, and how fast."""

    audio_s: float
    """length of the audio"""
    first_audio_s: float
    """seconds until the first audio, excluding the loading of the voice"""
    wall_s: float
    """seconds spent waiting for audio, excluding the loading of the voice"""
    played: str = ""
    """what played it, or why nothing did and which file has it"""
    warnings: tuple[str, ...] = ()
    """about the text, see `ProcessedText`"""

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work per second of audio."""
        return self.wall_s / self.audio_s if self.audio_s else inf

    def __str__(self) -> str:
        return (
            f"{self.audio_s:.2f} s of speech in {self.wall_s:.2f} s, {pace(self.rtf)};"
            f" first audio after {1000 * self.first_audio_s:.0f} ms"
            f"{self.played and '; '}{self.played}"
        )


def pace(rtf: float) -> str:
    """A real-time factor as people say it: "26 times faster than real time"."""
    if not 0 < rtf < inf:
        return "no audio"
    way, times = ("faster", 1 / rtf) if rtf <= 1 else ("slower", rtf)
    digits = 0 if times >= 9.5 else 1
    return f"{times:.{digits}f} times {way} than real time"


def say(
    request: SpeechRequest,
    pieces: Iterable[Piece] | None = None,
    *,
    voice: str | None = None,
    out: Path | Written | None = None,
    play: Path | None = None,
    cues: Sequence[Cue] = (),
    where: Connection | InProcess = InProcess(),
    progress: Progress | None = None,
) -> SayResult:
    """Speak a text, here or on a server.

    Args:
        request: the text, and how to speak it.
        pieces: of more text, which a server speaks as they arrive.
        voice: name or path of a bundle; on a server, the name of one of its voices. None means
            the one that speaks its language, the default if that does.
        out: file to write, in the encoding of its extension; "-" is standard output, as WAV.
        play: play it on this machine; the folder of the file that is written without `out` if no
            player works.
        cues: subtitles to speak in place of the text, each in its slot.
        where: what synthesizes: a server, or this process with an engine.
        progress: called after each piece of audio.

    Raises:
        InputError: a value is invalid, there is no such voice, or `out` can't be written. Whatever
            can be checked before the voice is loaded is checked first.
        BundleError, EngineError: the voice or the server failed; or no player worked and `out` is
            given. Without `out`, a file is written instead.
        MissingExtraError: the packages of the engine or of the encoding are not installed.
    """
    path, sample_rate_hz, captions = out if isinstance(out, Written) else Written(out)
    if path is not None:
        check_sound_file(path, sample_rate_hz)
    if captions:
        format_named(captions)
        check_writable(captions)
    if isinstance(where, InProcess) and pieces is not None:
        raise InputError("only a server can speak text in pieces; name one, or join the pieces")

    speaker = None
    with ExitStack() as stack:
        if isinstance(where, InProcess):
            synthesizer = open_voice(voice, where.engine, where.precision, request, mark=where.mark)

            def speak(one: SpeechRequest) -> AbstractContextManager[Speech]:
                return nullcontext(spoken_here(synthesizer, one))

        else:
            from dlpo_serving.client import SpeechClient

            client = SpeechClient(where.address, tls=where.tls, token=where.token)
            stack.enter_context(client)

            def speak(one: SpeechRequest) -> AbstractContextManager[Speech]:
                return spoken_there(client, one, pieces, voice or "", Encoding.PCM_S16)

        spoken = in_slots(cues, request, speak) if cues else speak(request)
        speech = stack.enter_context(spoken)
        if captions:
            assert isinstance(speech.pieces, Iterator)  # not asynchronous
            speech.pieces = _captioned(speech.pieces, request.written, speech.rate_hz, captions)
        sinks: list[SoundFile | Loudspeaker] = []
        if path is not None:
            file = SoundFile(path, speech.rate_hz, sample_rate_hz, speech.about)
            sinks.append(stack.enter_context(file))
        if play is not None:
            place = play if path is None else None
            speaker = Loudspeaker(speech.rate_hz, or_in=place, about=speech.about)
            sinks.append(stack.enter_context(speaker))
        for piece in speech:
            for sink in sinks:
                sink.write(piece.samples)
            if progress:
                progress(speech.audio_s, piece.share)
    if speaker and not speaker.sounds:
        raise EngineError(f"{speaker.summary}; {path} is complete")
    return SayResult(
        speech.audio_s,
        speech.first_audio_s,
        speech.waited_s,
        speaker.summary if speaker else "",
        tuple(dict.fromkeys(speech.warnings)),
    )


def _captioned(
    pieces: Iterable[SpokenPiece], text: str, rate_hz: int, path: Path
) -> Iterator[SpokenPiece]:
    """The same pieces; at their end, the captions of the text are in the file."""
    captioner, words = Captioner(format_named(path), rate_hz), TimedWords(text)
    written, samples = "", 0
    for piece in pieces:
        samples += len(piece.samples)
        written += captioner.add(words.spoken(piece.words, samples))
        yield piece
    written += captioner.add(words.rest(samples)) + captioner.end(samples)
    with as_input_error(path):
        path.write_text(written, encoding="utf-8")


def typed_pieces(descriptor: int) -> Iterator[str | Flush]:
    """Text from a file descriptor as it arrives; a pause after a complete line yields a `Flush`.

    Args:
        descriptor: of a terminal or a pipe, in UTF-8.

    Raises:
        InputError: the bytes are not UTF-8.
    """
    from dlpo.v1.speech_pb2 import Flush

    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line_ended = False
    while True:
        if line_ended and is_quiet(descriptor, QUIET_S):
            yield Flush()
        data = os.read(descriptor, _MOST)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            message = f"standard input is not UTF-8 ({error.reason}); convert it"
            raise InputError(message) from error
        if text:
            yield text
        if not data:
            return
        line_ended = text.endswith("\n")
