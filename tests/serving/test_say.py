"""`say`: to a file, to standard output, to a player, through a server."""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import read_wav
from dlpo.errors import InputError
from dlpo_serving import say as say_module
from dlpo_serving.request import RequestError, SpeechRequest
from dlpo_serving.say import say
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech."


@pytest.fixture(autouse=True)
def fake_voice(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(say_module, "open_voice", lambda *voice: synthesizer)


@pytest.fixture
def fake_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only player on PATH keeps what it is given in `played.wav`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    player = folder / "aplay"
    player.write_text(f'#!/bin/sh\n[ "$1" = -q ] && /bin/cp "$2" {tmp_path / "played.wav"}\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return player


def test_the_file_holds_what_the_voice_says(tmp_path: Path, synthesizer: Synthesizer) -> None:
    spoken = say(TEXT, out=tmp_path / "out.wav", speed=1.2, seed=3)

    expected = synthesizer.speak(SpeechRequest(TEXT, speed=1.2, seed=3))
    waveform, rate = read_wav(tmp_path / "out.wav")
    np.testing.assert_allclose(waveform, expected, atol=1e-4)
    assert spoken.audio_s == len(expected) / rate
    assert "RTF" in str(spoken)


def test_a_dash_writes_wav_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", stdout)

    spoken = say(TEXT, out=Path("-"))

    with wave.open(io.BytesIO(stdout.buffer.getvalue())) as file:
        assert file.getnframes() / file.getframerate() == spoken.audio_s


def test_play_hands_the_player_a_wav_file(fake_player: Path, tmp_path: Path) -> None:
    spoken = say(TEXT, play=True)

    waveform, rate = read_wav(tmp_path / "played.wav")
    assert len(waveform) / rate == spoken.audio_s


def test_a_player_that_fails_is_reported(fake_player: Path) -> None:
    fake_player.write_text("#!/bin/sh\necho no sound card >&2\nexit 1\n")

    with pytest.raises(Exception, match="no sound card"):
        say(TEXT, play=True)


def test_no_player_is_an_error_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(say_module, "open_voice", pytest.fail)

    with pytest.raises(InputError, match="no audio player found"):
        say(TEXT, play=True)


def test_a_path_that_cannot_be_written_is_an_error_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(say_module, "open_voice", pytest.fail)

    with pytest.raises(InputError, match="there is no folder"):
        say(TEXT, out=tmp_path / "missing" / "out.wav")
    with pytest.raises(InputError, match="it is a folder"):
        say(TEXT, out=tmp_path)


def test_a_folder_without_permission_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere

    with pytest.raises(InputError, match="permission denied"):
        say(TEXT, out=tmp_path / "out.wav")


def test_a_bad_request_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="speed: is nan"):
        say(TEXT, out=tmp_path / "out.wav", speed=float("nan"))

    assert not list(tmp_path.iterdir())


def test_a_server_can_speak_instead(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(TEXT, out=tmp_path / "here.wav", seed=2)
    monkeypatch.setattr(say_module, "open_voice", pytest.fail)

    say(TEXT, out=tmp_path / "there.wav", seed=2, voice="fake", server=server.address)

    assert (tmp_path / "there.wav").read_bytes() == (tmp_path / "here.wav").read_bytes()


def test_an_engine_is_not_chosen_for_a_server(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="started with its own"):
        say(TEXT, out=tmp_path / "out.wav", server="127.0.0.1:1", engine="cuda")


def test_engine_and_precision_reach_the_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthesizer: Synthesizer
) -> None:
    opened: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        say_module, "open_voice", lambda *voice: opened.append(voice) or synthesizer
    )

    say(TEXT, out=tmp_path / "out.wav", engine="openvino", precision="bf16")

    assert opened == [("lj", "openvino", "bf16")]
