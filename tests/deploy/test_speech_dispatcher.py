"""sd_dlpo, the output module of Speech Dispatcher: by its protocol, and with the real daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from dlpo_serving.local.screen_reader import ReaderSettings, voice_types
from tests.callers import wait_until

MODULE = [sys.executable, "-m", "dlpo_serving.local.screen_reader"]
CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "speech-dispatcher" / "dlpo.conf"
LONG = "<speak>" + "This is a long text. " * 60 + "</speak>"


class Event(NamedTuple):
    name: str
    samples: int = 0


class Daemon:
    """Speaks to the module as the daemon does."""

    def __init__(self) -> None:
        self._module = subprocess.Popen(
            [*MODULE, CONFIGURATION], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._module.stdin
        assert self._module.stdout
        self._to = self._module.stdin
        self._from = self._module.stdout

    def send(self, *lines: str) -> None:
        self._to.write("".join(f"{line}\n" for line in lines).encode())
        self._to.flush()

    def answer(self) -> list[str]:
        """The lines up to one with a space after its number."""
        lines = [self._from.readline().decode().rstrip("\n")]
        while lines[-1][3:4] == "-":
            lines.append(self._from.readline().decode().rstrip("\n"))
        return lines

    def ask(self, command: str, *lines: str) -> list[str]:
        self.send(command)
        first = self.answer()
        if not lines:
            return first
        self.send(*lines, ".")
        return self.answer()

    def event(self) -> Event:
        read = b""
        while (line := self._from.readline())[3:4] != b" ":
            assert line, "the module has ended"
            read += line
        name = line.decode().rstrip("\n")
        if name == "705 AUDIO":
            samples = int(read.split(b"num_samples=")[1].split(b"\n")[0])
            data = read.split(b"705-AUDIO\0")[1][:-1]
            plain = data.replace(b"\x7d\x2a", b"\n").replace(b"\x7d\x5d", b"\x7d")
            assert len(plain) == 2 * samples
            return Event("audio", samples)
        if name == "700 INDEX MARK":
            return Event(read.decode().strip().removeprefix("700-"))
        return Event(name)

    def speak(self, command: str, text: str, **settings: str) -> list[Event]:
        """All events of a message."""
        self.ask("SET", *[f"{name}={value}" for name, value in settings.items()], "")
        assert self.ask(command, text) == ["200 OK SPEAKING"]
        events = [self.event()]
        while events[-1].name not in ("702 END", "703 STOP", "704 PAUSE"):
            events.append(self.event())
        return events

    def length(self, command: str, text: str, **settings: str) -> int:
        return sum(event.samples for event in self.speak(command, text, **settings))

    def close(self) -> int:
        with self._module as module:  # closes the pipes
            self.send("QUIT")
            return module.wait()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    assert daemon.ask("INIT")[-1] == "299 OK LOADED SUCCESSFULLY"
    assert daemon.ask("AUDIO", "audio_output_method=server") == ["203 OK AUDIO INITIALIZED"]
    yield daemon
    assert daemon.close() == 0


def test_marks_come_between_the_audio_around_them(daemon: Daemon) -> None:
    text = '<speak><mark name="__spd_0"/>Hello. <mark name="__spd_1"/>And &lt;more&gt;.</speak>'
    events = daemon.speak("SPEAK", text)
    names = [event.name for event in events]
    assert (names[0], names[-1]) == ("701 BEGIN", "702 END")
    first, second = names.index("__spd_0"), names.index("__spd_1")
    assert sum(event.samples for event in events[:first]) < 0.05 * 24_000
    assert sum(event.samples for event in events[first:second]) > 0.3 * 24_000
    assert "audio" in names[second:]


def test_stop_ends_a_message_at_once_and_the_next_is_spoken(daemon: Daemon) -> None:
    daemon.send("SPEAK")
    daemon.answer()
    daemon.send(LONG, ".")
    assert daemon.answer() == ["200 OK SPEAKING"]
    events = [daemon.event() for _ in range(3)]
    assert [event.name for event in events] == ["701 BEGIN", "audio", "audio"]
    daemon.send("STOP")
    while (last := daemon.event().name) == "audio":
        pass
    assert last == "703 STOP"
    daemon.send("STOP")  # while nothing is spoken: no answer
    assert daemon.speak("CHAR", "a")[-1].name == "702 END"


def test_pause_ends_a_message_at_a_mark(daemon: Daemon) -> None:
    marked = "".join(f'<mark name="__spd_{n}"/>This is sentence {n}. ' for n in range(20))
    daemon.send("SPEAK")
    daemon.answer()
    daemon.send(f"<speak>{marked}</speak>", ".", "PAUSE")
    names = [daemon.answer()[0]]
    while names[-1] not in ("704 PAUSE", "702 END"):
        names.append(daemon.event().name)
    assert names[-1] == "704 PAUSE"
    assert names[-2].startswith("__spd_")


def test_sliders_change_the_speech(daemon: Daemon) -> None:
    text, usual = "<speak>Hello there.</speak>", {"rate": "0", "pitch": "0", "volume": "100"}
    own = daemon.length("SPEAK", text, **usual)
    assert daemon.length("SPEAK", text, **usual | {"rate": "100"}) == pytest.approx(
        own / 2, rel=0.1
    )
    assert daemon.length("SPEAK", text, **usual | {"rate": "-100"}) > 1.5 * own
    assert daemon.length("SPEAK", text, **usual) == own


def test_letters_keys_and_spelling_are_spoken(daemon: Daemon) -> None:
    for letter in ("a", "Z", "7", "..", "(", " ", "\u00e9"):
        assert daemon.length("CHAR", letter) > 0
    assert daemon.length("CHAR", "A", cap_let_recogn="spell") > 1.5 * daemon.length(
        "CHAR", "a", cap_let_recogn="none"
    )
    assert daemon.length("KEY", "control_alt_delete") > daemon.length("KEY", "space")
    spelled = daemon.length("SPEAK", "<speak>cat</speak>", spelling_mode="on")
    assert spelled > 1.2 * daemon.length("SPEAK", "<speak>cat</speak>", spelling_mode="off")
    assert [event.name for event in daemon.speak("CHAR", "\u4e16")] == ["701 BEGIN", "702 END"]


def test_voices_are_listed_and_chosen(daemon: Daemon) -> None:
    listed = daemon.ask("LIST VOICES")
    assert "200-heart\ten-US\tnone" in listed
    assert any(line.startswith("200-dora\tes") for line in listed)
    types = voice_types(CONFIGURATION.read_text())
    asked = {"language": "es", "voice_type": "MALE1"}
    assert ReaderSettings({**asked}, types).voice() == "alex"
    assert ReaderSettings({**asked, "voice_type": "CHILD_MALE"}, types).voice() == "dora"
    assert ReaderSettings({**asked, "synthesis_voice": "nova"}, types).voice() == "nova"
    assert daemon.length("SPEAK", "<speak>Buenos d\u00edas.</speak>", language="es") > 0


def test_what_it_cannot_do_is_an_error(daemon: Daemon) -> None:
    assert daemon.ask("AUDIO", "audio_output_method=alsa")[-1].startswith("300 ")
    assert daemon.ask("DANCE")[-1].startswith("300 ")


def test_the_real_daemon_speaks_and_stops(tmp_path: Path) -> None:
    if not shutil.which("speech-dispatcher"):
        pytest.skip("speech-dispatcher is not installed")
    module, played, socket = (tmp_path / name for name in ("sd_dlpo", "played", "socket"))
    module.write_text(f'#!/bin/sh\nexec {" ".join(MODULE)} "$@"\n')
    module.chmod(0o755)
    (tmp_path / "modules").mkdir()
    shutil.copy(CONFIGURATION, tmp_path / "modules" / "dlpo.conf")
    (tmp_path / "speechd.conf").write_text(
        f'AudioOutputMethod "alsa"\nAddModule "dlpo" "{module}" "dlpo.conf"\nDefaultModule dlpo\n'
    )
    (tmp_path / "asound.conf").write_text(
        f'pcm.!default {{ type file slave.pcm null file "{played}" format raw }}\n'
        "pcm.null { type null }\nctl.!default { type hw card 0 }\n"
    )
    environment = {
        **os.environ, "ALSA_CONFIG_PATH": f"{tmp_path}/asound.conf",
        "SPEECHD_ADDRESS": f"unix_socket:{socket}",
    }  # fmt: skip
    daemon = ["speech-dispatcher", "-s", "-C", tmp_path, "-c", "unix_socket", "-S", socket]
    daemon += ["-L", tmp_path, "-P", tmp_path / "pid", "-t", "0"]

    def say(*words: str) -> str:
        asked = ["spd-say", *words]
        return subprocess.run(
            asked, env=environment, check=True, capture_output=True, text=True
        ).stdout

    with subprocess.Popen(daemon, env=environment, stderr=subprocess.DEVNULL) as dispatcher:
        try:
            wait_until(socket.exists)
            assert "heart" in say("-L")
            say("-w", 'It\'s "on" & \\ costs $HOME.')
            sound = np.frombuffer(played.read_bytes(), "<i2")
            assert sound.any()
            say("This is a long text. " * 60)
            say("-S")
            say("-w", "Then this.")
        finally:
            dispatcher.terminate()
