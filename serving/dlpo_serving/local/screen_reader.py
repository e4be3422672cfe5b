"""An output module of Speech Dispatcher, for screen readers: sd_dlpo [CONFIGURATION]

It speaks the protocol of the daemon on standard input and output, and leaves the playing to it.
What has been typed once, and letters while nobody speaks, are kept as sound.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple
from xml.sax.saxutils import escape

from dlpo.audio import Waveform, to_pcm16
from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import DlpoError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speech import SpokenPiece, spoken_here
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.synthesizer import Synthesizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,"  # made ready while nobody speaks
KEPT = 400  # short messages whose sound is kept
SHORT = 40  # characters of one
RAISED = 3.0  # semitones by which a capital is marked where the reader asks for an icon
# The daemon plays all that it was given, also after a stop: it gets little before its time.
BLOCK_S, AHEAD_S = 0.02, 0.04
LEAD_S = 0.01  # kept of the silence before the first word: it would only delay it
SWITCH_S = 0.001  # within which a stop is read while a voice computes
_VOICE = re.compile(r'\s*AddVoice\s+"([^"]*)"\s+"([^"]*)"\s+"([^"]*)"')
_MARKUP = re.compile(r"<[^<>]*>")
_RECEIVED = {  # command with lines after it -> what it is answered before and after them
    "SET": ("203 OK RECEIVING SETTINGS", "203 OK SETTINGS RECEIVED"),
    "AUDIO": ("207 OK RECEIVING AUDIO SETTINGS", "203 OK AUDIO INITIALIZED"),
    "LOGLEVEL": ("207 OK RECEIVING LOGLEVEL SETTINGS", "203 OK LOG LEVEL SET"),
}
_SPOKEN = ("SPEAK", "CHAR", "KEY", "SOUND_ICON")


@dataclass
class ReaderSettings:
    """How the screen reader asks for speech, as Speech Dispatcher writes it."""

    values: dict[str, str] = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)
    """language and type of a voice, such as FEMALE1 -> its name"""

    def slider(self, name: str, usual: int = 0) -> float:
        """-1 to 1."""
        with suppress(ValueError):
            return min(max(int(self.values.get(name, usual)), -100), 100) / 100
        return usual / 100

    def voice(self) -> str:
        """The voice that is asked for by name, or by language and type; "" if neither is known."""
        name = self.values.get("synthesis_voice", "NULL")
        language = self.values.get("language", "en")[:2]
        kind = self.values.get("voice_type", self.values.get("voice", "female1")).upper()
        if name != "NULL":
            return name
        same = [voice for (of, _), voice in self.types.items() if of == language]
        return self.types.get((language, kind), same[0] if same else "")

    def request(self, kind: str, text: str, slowest: float, fastest: float) -> SpeechRequest:
        """A message in these settings."""
        rate, pitch = self.slider("rate"), 6 * self.slider("pitch")
        document = text.strip("\n")
        if kind != "SPEAK":
            named = document.replace("_", " ") if len(document) > 1 else document
            capital = len(named) == 1 and named.isupper()
            cue = self.values.get("cap_let_recogn", "none")
            if capital and cue == "icon":
                pitch = min(pitch + RAISED, 6.0)
            said = f'<say-as interpret-as="characters">{escape(named)}</say-as>'
            if named == " ":
                said = "space"
            if len(named) > 1:
                said = escape(named)
            document = f"<speak>{'capital ' * (capital and cue == 'spell')}{said}</speak>"
        elif self.values.get("spelling_mode") == "on":
            inner = _MARKUP.sub("", document)
            document = f'<speak><say-as interpret-as="characters">{inner}</say-as></speak>'
        return SpeechRequest(
            document if document.lstrip().startswith("<speak") else f"<speak>{document}</speak>",
            speed=fastest**rate if rate > 0 else slowest**-rate,
            pitch_semitones=pitch,
            volume_db=20 * (self.slider("volume", 100) - 1),
        )


class _Message(NamedTuple):
    voice: str
    request: SpeechRequest
    short: bool

    @property
    def key(self) -> tuple[str | float, ...]:
        """The same for messages that sound the same."""
        asked = self.request
        return self.voice, asked.text, asked.speed, asked.pitch_semitones, asked.volume_db


class OutputModule:
    """Answers the daemon on one thread, and speaks on another."""

    def __init__(self, answers: BinaryIO, types: dict[tuple[str, str], str]) -> None:
        self._answers = answers
        self._settings = ReaderSettings(types=types)
        self._arrived = threading.Condition()  # holds whoever writes, too
        self._messages: deque[tuple[int, _Message] | None] = deque()
        self._taken = 0  # messages so far
        self._live = 0  # the number of the one that is spoken; 0: none, or it has been stopped
        self._pauses = False  # whether it is to end at its next mark
        self._given_until = 0.0  # when the daemon will have played what it was given
        self._kept: dict[tuple[str | float, ...], list[SpokenPiece]] = {}
        self._synthesizers: dict[str, Synthesizer] = {}
        self._thread = threading.Thread(target=self._speak_all, daemon=True)

    def serve(self, lines: Iterable[bytes]) -> None:
        """Answer the daemon's commands until it quits."""
        taken = (line.decode(errors="replace").removesuffix("\n") for line in lines)
        for command in taken:
            name = command.partition(" ")[0]
            if name in _SPOKEN:
                self._answer("202 OK RECEIVING MESSAGE")
                text = "\n".join(_until_dot(taken))
                self._answer("200 OK SPEAKING")
                self._take(self._message(name, text))
            elif name in _RECEIVED:
                before, after = _RECEIVED[name]
                self._answer(before)
                given = dict(line.partition("=")[::2] for line in _until_dot(taken))
                if name == "SET":
                    self._settings.values |= given
                elif name == "AUDIO" and given.get("audio_output_method") != "server":
                    after = "300-dlpo gives its audio to the daemon\n300 UNKNOWN ERROR"
                self._answer(after)
            elif name == "INIT":
                self._answer(self._opened())
            elif command == "LIST VOICES":
                self._answer("\n".join([*self._voices(), "200 OK VOICE LIST SENT"]))
            elif name in ("STOP", "PAUSE"):
                self._interrupt(name)
            elif name == "QUIT":
                self._answer("210 OK QUIT")
                break
            else:
                self._answer("200 OK DEBUGGING" if name == "DEBUG" else "300 ERR UNKNOWN COMMAND")
        self._interrupt("STOP")
        self._take(None)
        if self._synthesizers:
            self._thread.join()

    def _opened(self) -> str:
        try:
            self._synthesizers[""] = open_voice(DEFAULT_VOICE)
        except DlpoError as error:
            return f"399-{error}\n399 ERR CANT INIT MODULE"
        self._thread.start()
        return "299-dlpo is ready\n299 OK LOADED SUCCESSFULLY"

    def _voices(self) -> Iterator[str]:
        for voice in self._synthesizers[""].manifest.of_voices:
            yield f"200-{voice.voice}\t{voice.language}\tnone"

    def _message(self, kind: str, text: str) -> _Message:
        manifest = self._synthesizers[""].manifest
        request = self._settings.request(kind, text, *manifest.prosody.speed)
        known = [voice.voice for voice in manifest.of_voices]
        voice = self._settings.voice()
        return _Message(voice if voice in known else "", request, len(text) <= SHORT)

    def _take(self, message: _Message | None) -> None:
        """Have a message spoken; None: no more will come."""
        with self._arrived:
            self._taken += 1
            if message:
                self._live = self._taken
                self._pauses = False
                self._given_until = 0.0
                self._answer("701 BEGIN")
            self._messages.append(message and (self._taken, message))
            self._arrived.notify()

    def _interrupt(self, command: str) -> None:
        with self._arrived:
            if self._live and command == "STOP":
                self._live = 0  # what the voice still makes of it is dropped
                self._answer("703 STOP")
                self._arrived.notify()
            self._pauses = bool(self._live)

    def _speak_all(self) -> None:
        ready: list[_Message] = []  # letters to make ready
        while True:
            with self._arrived:
                if not self._messages and not ready:
                    self._arrived.wait()
                taken = self._messages.popleft() if self._messages else (0, None)
            if taken is None:
                return
            number, message = taken
            if message:
                self._speak(number, message)
                letters = (self._message("CHAR", letter) for letter in LETTERS)
                ready = [letter for letter in letters if letter.key not in self._kept]
            elif ready:
                for _ in self._pieces(ready.pop(0), lambda: bool(self._messages)):
                    pass

    def _speak(self, number: int, message: _Message) -> None:
        """Give the audio and the marks of a message to the daemon, unless it is stopped."""
        for piece in self._pieces(message, lambda: self._live != number):
            begin = 0
            for mark in piece.marks:
                self._give(number, piece.samples[begin : mark.sample])
                begin = mark.sample
                self._tell(number, f"700-{mark.name}\n700 INDEX MARK\n".encode())
                if self._pauses and mark.name.startswith("__spd_"):
                    self._tell(number, b"704 PAUSE\n", last=True)
                    return
            self._give(number, piece.samples[begin:])
        self._tell(number, b"702 END\n", last=True)

    def _give(self, number: int, samples: Waveform) -> None:
        """Give (T,) samples of a message to the daemon, until it is stopped."""
        block = round(BLOCK_S * self._rate_hz())
        for start in range(0, len(samples), block):
            with self._arrived:
                while (early_s := self._given_until - AHEAD_S - time.monotonic()) > 0:
                    if self._live != number:
                        return
                    self._arrived.wait(early_s)
            part = samples[start : start + block]
            self._tell(number, self._audio(part))
            before_s = max(self._given_until, time.monotonic())
            self._given_until = before_s + len(part) / self._rate_hz()

    def _tell(self, number: int, event: bytes, last: bool = False) -> None:
        """Write an event of a message, unless it has been stopped."""
        with self._arrived:
            if self._live == number:
                self._write(event)
                self._live = 0 if last else number

    def _pieces(self, message: _Message, ends: Callable[[], bool]) -> Iterator[SpokenPiece]:
        """The audio of a message, with marks in samples of their piece, until `ends`."""
        if message.key in self._kept:
            yield from self._kept[message.key]
            return
        made: list[SpokenPiece] = []
        try:
            for piece in _without_lead(self._spoken(message), self._rate_hz()):
                if ends():
                    return
                made.append(piece)
                yield piece
        except DlpoError as error:  # such as a text of another script
            sys.stderr.write(f"sd_dlpo: {error}\n")
        if message.short:
            self._kept[message.key] = made
            if len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))

    def _spoken(self, message: _Message) -> Iterable[SpokenPiece]:
        if message.voice not in self._synthesizers:
            self._synthesizers[message.voice] = self._synthesizers[""].speaking(message.voice)
        return spoken_here(self._synthesizers[message.voice], message.request)

    def _rate_hz(self) -> int:
        return self._synthesizers[""].manifest.sample_rate_hz

    def _audio(self, samples: Waveform) -> bytes:
        """The event that brings (T,) samples."""
        about = f"bits=16 num_channels=1 sample_rate={self._rate_hz()} num_samples={len(samples)}"
        data = to_pcm16(samples).tobytes()
        data = data.replace(b"\x7d", b"\x7d\x5d").replace(b"\n", b"\x7d\x2a")
        lines = "".join(f"705-{one}\n" for one in [*about.split(), "big_endian=0"])
        return lines.encode() + b"705-AUDIO\0" + data + b"\n705 AUDIO\n"

    def _answer(self, text: str) -> None:
        with self._arrived:
            self._write(f"{text}\n".encode())

    def _write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            self._answers.write(data)
            self._answers.flush()


def _without_lead(pieces: Iterable[SpokenPiece], rate_hz: int) -> Iterator[SpokenPiece]:
    """The pieces without the silence before the first word; marks in samples of their piece."""
    samples, skipped = 0, -1
    for piece in pieces:
        if skipped < 0 and piece.words:
            skipped = max(piece.words[0].start - round(LEAD_S * rate_hz), 0)
        begin = max(skipped - samples, 0) if skipped >= 0 else len(piece.samples)
        first = samples + begin
        marks = tuple(replace(mark, sample=max(mark.sample - first, 0)) for mark in piece.marks)
        samples += len(piece.samples)
        yield piece._replace(samples=piece.samples[begin:], marks=marks)


def _until_dot(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == ".":
            return
        yield line.removeprefix(".") if line.startswith("..") else line


def voice_types(configuration: str) -> dict[tuple[str, str], str]:
    """Language and type -> voice, of the lines `AddVoice "en" "FEMALE1" "heart"`."""
    found = map(_VOICE.match, configuration.splitlines())
    return {(each[1], each[2].upper()): each[3] for each in found if each}


def main() -> None:
    """Run the module until the daemon quits."""
    types = {}
    if len(sys.argv) > 1:
        with suppress(OSError):
            types = voice_types(Path(sys.argv[1]).read_text())
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not reach the daemon
    sys.setswitchinterval(SWITCH_S)
    OutputModule(answers, types).serve(sys.stdin.buffer)


if __name__ == "__main__":
    main()
