"""`say` to a file, a pipe, a player, through a server; the demo; a server as a process."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

from dlpo.audio import read_wav
from dlpo.errors import EngineError, InputError
from dlpo.v1.speech_pb2 import Flush
from dlpo_serving.client.connection import Connection
from dlpo_serving.encodings import sound_file
from dlpo_serving.errors import RequestError
from dlpo_serving.local import say as say_module
from dlpo_serving.local.demo import run_demo
from dlpo_serving.local.player import PLAYERS, PlayerPlayback
from dlpo_serving.local.say import say, typed_pieces
from dlpo_serving.request import SpeechRequest
from dlpo_serving.speech import in_calls, split
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import command
from tests.serving.conftest import RunningServer

REQUEST = SpeechRequest("Noise becomes speech.", seed=2)
SILENT = (
    "/bin/cat > /dev/null\necho no sound card >&2\nexit 1",
    "exec 0<&-\necho no sound card >&2\nexit 1",
    "/bin/cat > /dev/null\necho no sound card >&2",  # as ffplay ends
    "/bin/cat > /dev/null\nsleep 1\necho SDL_OpenAudio: no such device >&2\n",  # a slow machine
)


@pytest.fixture(autouse=True)
def fake_voice(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(say_module, "open_voice", lambda *voice, **_: synthesizer)


@pytest.fixture
def fake_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only player on PATH keeps the samples that it is given in `played.pcm`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    player = folder / "aplay"
    player.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path / 'played.pcm'}\nexec /bin/sleep 1\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return player


def test_the_file_holds_what_the_voice_says(tmp_path: Path, synthesizer: Synthesizer) -> None:
    request = SpeechRequest("Noise.", speed=1.2, seed=3)
    spoken = say(request, out=tmp_path / "out.wav")

    expected = synthesizer.speak(request)
    waveform, rate = read_wav(tmp_path / "out.wav")
    np.testing.assert_allclose(waveform, expected, atol=1e-4)
    assert spoken.audio_s == len(expected) / rate
    assert "than real time" in str(spoken)


@pytest.mark.parametrize("script", SILENT)
def test_a_player_without_a_sound_is_followed_by_the_next(
    fake_player: Path, script: str, tmp_path: Path, synthesizer: Synthesizer
) -> None:
    silent = fake_player.with_name("pacat")
    silent.write_text(f"#!/bin/sh\n{script}\n")
    silent.chmod(0o755)

    assert str(say(REQUEST, play=Path())).endswith("; played by aplay")

    played = np.fromfile(tmp_path / "played.pcm", "<i2") / 32767
    np.testing.assert_allclose(played, synthesizer.speak(REQUEST), atol=1e-4)


def test_without_a_player_that_sounds_a_file_is_written(
    fake_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthesizer: Synthesizer
) -> None:
    fake_player.write_text(f"#!/bin/sh\n{SILENT[0]}\n")
    monkeypatch.chdir(tmp_path)
    Path("speech.wav").touch()

    (tmp_path / "other").mkdir()
    assert say(REQUEST, play=Path("other")).played.endswith("wrote other/speech.wav")
    message = say(REQUEST, play=Path()).played

    assert message == "playback failed (aplay: no sound card); wrote speech-2.wav"
    waveform, _ = read_wav(tmp_path / "speech-2.wav")
    np.testing.assert_allclose(waveform, synthesizer.speak(REQUEST), atol=1e-4)
    with pytest.raises(EngineError, match=r"no sound card.*out.wav is complete"):
        say(REQUEST, play=Path(), out=tmp_path / "out.wav")
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "speech-2.wav").read_bytes()


@pytest.mark.parametrize("name", ["out.wav", "out.mp3", "out.flac"])
def test_an_interrupt_leaves_a_shorter_file_or_the_one_before(tmp_path: Path, name: str) -> None:
    stop = Mock(side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        say(REQUEST, out=tmp_path / name, progress=stop)
    assert len(soundfile.read(tmp_path / name, 100)[0]) == 100

    say(REQUEST, out=tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        say(REQUEST, out=tmp_path / name, progress=stop)
    assert (tmp_path / name).read_bytes() == before


def test_a_terminal_gets_no_bytes_of_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"isatty": lambda _: True})())

    with pytest.raises(RequestError, match="is a terminal"):
        say(REQUEST, out=Path("-"))


def test_a_long_text_is_cut_at_the_ends_of_sentences() -> None:
    text = " ".join(f"Dr. Smith has {n} words to say." for n in range(500))

    parts = [part for part, _ in split(text, 300)]

    assert " ".join(part.strip() for part in parts) == text
    assert all(len(part) <= 300 for part in parts)
    assert all(part.rstrip().endswith("say.") for part in parts)
    assert "".join(part for part, _ in split("x" * 700, 300)) == "x" * 700
    assert [text[begin:][:9] for _, begin in split(text, 300)] == [part[:9] for part in parts]


async def test_pieces_are_calls_none_of_which_is_too_long() -> None:
    text = " ".join(f"It is {n} o'clock." for n in range(3000))

    async def calls_of(*given: str | Flush) -> list[list[str | Flush]]:
        async def pieces() -> AsyncIterator[str | Flush]:
            for piece in given:
                yield piece

        return [[piece async for piece in call] async for call in in_calls(pieces(), [])]

    calls = await calls_of(text, Flush(), "So late. ")

    sizes = [sum(len(piece) for piece in call if isinstance(piece, str)) for call in calls]
    assert len(sizes) > 20
    assert max(sizes) < 2600
    joined = "".join(p for call in calls for p in call if isinstance(p, str))
    assert joined == f"{text}So late. "
    assert await calls_of() == [[]]


def test_a_player_is_silenced_where_the_voice_fails(fake_player: Path) -> None:
    fake_player.write_text("#!/bin/sh\n/bin/cat > /dev/null\n")
    playback = PlayerPlayback(PLAYERS[1], 22_050)

    def fail_while_it_plays() -> None:
        with playback:
            playback.write(np.zeros(100, np.float32))
            raise EngineError("the voice failed")

    with pytest.raises(EngineError, match="the voice failed"):
        fail_while_it_plays()
    assert playback._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("a.wav", b"RIFF"),
        ("a.FLAC", b"fLaC"),
        ("a.ogg", b"OggS"),
        ("a.opus", b"OggS"),
        ("a.mp3", b"ID3"),
        ("a.aac", b"\xff"),
    ],
)
def test_the_ending_says_the_encoding(tmp_path: Path, name: str, begin: bytes) -> None:
    say(REQUEST, out=tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(begin)


def test_pipe_gets_a_wav_header_without_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stdout, os.fdopen(reader, "rb") as pipe:
        monkeypatch.setattr(sys, "stdout", stdout)
        spoken = say(SpeechRequest("Go."), out=Path("-"))
        stdout.close()
        received = pipe.read()

    assert received.startswith(b"RIFF\xff\xff\xff\xff")
    assert len(received) - 44 == 2 * round(spoken.audio_s * 22_050)


def test_a_disk_that_fills_leaves_the_file_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.wav"
    out.write_bytes(b"the file before")

    def fill(header: bytes, *_: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sound_file, "with_length", fill)
        with pytest.raises(InputError, match="No space left on device"):
            say(REQUEST, out=out)
    assert out.read_bytes() == b"the file before"
    assert list(tmp_path.iterdir()) == [out]

    say(REQUEST, out=out)
    assert out.read_bytes().startswith(b"RIFF")
    assert list(tmp_path.iterdir()) == [out]


def test_a_server_can_speak_instead(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(REQUEST, lead_in_s=0.25)
    say(request, out=tmp_path / "here.wav")
    monkeypatch.setattr(say_module, "open_voice", pytest.fail)

    remote = Connection(server.address)
    say(request, out=tmp_path / "there.wav", voice="fake", where=remote)
    words = ("say", REQUEST.text, "--seed", "2", "--lead-in", "0.25", "--server", server.address)
    result = command(*words, "-o", tmp_path / "said.wav")

    assert result.exit_code == 0, result.output
    here, there, said = (
        read_wav(tmp_path / f"{name}.wav")[0] for name in ("here", "there", "said")
    )
    np.testing.assert_array_equal(there, here)
    np.testing.assert_array_equal(said, here)
    spoken = say(SpeechRequest("Hi 👍"), out=tmp_path / "a.wav", where=remote)
    assert spoken.warnings == ("not spoken: 👍",)


@pytest.fixture
def pipe() -> Iterator[tuple[int, list[int]]]:
    """The end to read, and the end to write, which a test closes by taking it out of the list."""
    reader, writer = os.pipe()
    open_ends = [writer]
    yield reader, open_ends
    for descriptor in (reader, *open_ends):
        os.close(descriptor)


@pytest.mark.parametrize(
    "typed",
    [
        [(b"One.\n", ["One.\n", Flush()]), (b"Two, ", ["Two, "]), (b"three.", ["three."])],
        [(b"caf" + "é".encode()[:1], ["caf"]), ("é".encode()[1:], ["é"])],
    ],
    ids=["lines", "a character cut in two"],
)
def test_what_is_written_is_spoken_before_more_is_written(
    pipe: tuple[int, list[int]], typed: list[tuple[bytes, list[str | Flush]]]
) -> None:
    reader, ends = pipe
    pieces = typed_pieces(reader)

    for written, expected in typed:
        os.write(ends[0], written)
        assert [next(pieces) for _ in expected] == expected
    os.close(ends.pop())
    assert list(pieces) == []


@pytest.mark.parametrize("data", [b"\xff\xfe", b"caf\xc3"])
def test_what_is_not_utf_8_is_an_input_error(pipe: tuple[int, list[int]], data: bytes) -> None:
    reader, ends = pipe
    os.write(ends[0], data)
    os.close(ends.pop())

    with pytest.raises(InputError, match="not UTF-8"):
        list(typed_pieces(reader))


def test_the_demo_writes_sound_and_prints_its_figures(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path, str(tiny_bundle))

    waveform, rate = read_wav(tmp_path / "demo.wav")
    assert rate == 22_050
    assert len(waveform) > rate / 2
    assert "; first audio after" in capsys.readouterr().out
