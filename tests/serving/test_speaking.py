"""The public face: `from dlpo import Voice, Client`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlpo
from dlpo import Client, Voice
from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import InputError
from dlpo_serving.errors import RequestError
from dlpo_serving.local.say import say
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.serving.conftest import RunningServer

TEXT = "Noise becomes speech. It takes one step."


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice("heart")


def test_the_promised_names_are_these() -> None:
    assert dlpo.__all__ == ["AsyncClient", "Client", "Voice", "__version__", "detect"]
    verbs = {name for name in dir(Voice) if not name.startswith("_")}
    assert verbs == {"close", "list", "sample_rate", "save", "speak", "stream"}
    with pytest.raises(AttributeError, match="no attribute 'Vioce'"):
        _ = dlpo.Vioce


def test_a_voice_of_this_process_loads_no_grpc() -> None:
    code = "import sys; from dlpo import Voice; Voice(); sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pieces_are_spoken_while_they_are_written(voice: Voice) -> None:
    written: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("The first sentence ends here. ", "Next", " comes another one."):
            written.append(piece)
            yield piece

    stream = voice.stream(pieces())
    assert len(next(stream)) > 0
    assert len(written) < 3


def test_wrong_settings_are_explained(voice: Voice, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="speed"):
        voice("Hello.", speed=40)
    with pytest.raises(RequestError, match="text"):
        voice([" ", ""])
    with pytest.raises(InputError, match=r"out\.xyz"):
        voice.save("Hello.", tmp_path / "out.xyz")
    with pytest.raises(InputError, match=rf"no voice 'haert'\. Built in: {DEFAULT_VOICE}"):
        Voice("haert")
    assert Voice.list()[0] == DEFAULT_VOICE


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (None, {}, "text: is None; expected a str, or an iterable of them"),
        (b"Hello.", {}, "text: is b'Hello.'; expected a str"),
        (["Hello. ", 5], {}, "text: has the piece 5; expected a str"),
        ("Hello.", {"spede": 2}, "spede: is no setting; expected speed, "),
        ("Hello.", {"speed": "fast"}, "speed: is 'fast'; expected a number"),
        ("Hello.", {"seed": 0.5}, "seed: is 0.5; expected a whole number"),
        ("Hello.", {"dictionary": "hello"}, "dictionary: is 'hello'; expected words"),
        ("Hello.", {"dictionary": {1: 2}}, "dictionary: has 1: 2; expected words"),
        ("Hello.", {"directions": "no"}, "directions: is 'no'; expected true or false"),
        ("Hello.", {"seed": True}, "seed: is True; expected a whole number"),
        ({"a": 1}, {}, "text: is {'a': 1}; expected a str"),
    ],
)
def test_wrong_kinds_are_named(
    voice: Voice, text: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        voice(text, **settings)


def test_without_a_name_a_voice_of_the_language_speaks(voice: Voice, tmp_path: Path) -> None:
    spanish = Voice("dora")("Buenos días.", language="es")
    np.testing.assert_array_equal(Voice()("Buenos días.", language="es"), spanish)
    file = Voice().save("Buenos días.", tmp_path / "out.wav", language="es")
    assert b"voice=dora;" in file.read_bytes()
    np.testing.assert_array_equal(Voice("")(TEXT), voice(TEXT))
    with pytest.raises(RequestError, match="language"):
        voice("Buenos días.", language="es")
    with pytest.raises(InputError, match="voice is 5; expected a name or a path"):
        Voice(5)  # type: ignore[arg-type]


def test_say_takes_a_voice_of_the_language(tmp_path: Path) -> None:
    request = SpeechRequest("Buenos días.", language="es")
    files = {voice: tmp_path / f"{voice}.wav" for voice in ("dora", None)}
    for voice, out in files.items():
        say(request, voice=voice, out=out)
    assert files[None].read_bytes() == files["dora"].read_bytes()
    with pytest.raises(RequestError, match="voice 'heart' speaks en-US"):
        say(request, voice="heart", out=tmp_path / "heart.wav")


def test_what_is_not_spoken_is_a_warning_at_the_callers_line(
    voice: Voice, server: RunningServer, tmp_path: Path
) -> None:
    text = "Hello 世."
    with Client(server.address) as client:
        for speak in (
            lambda: voice(text),
            lambda: voice(["Hello ", "世."]),
            lambda: voice.save(text, tmp_path / "hello.wav"),
            lambda: client(text),
        ):
            with pytest.warns(UserWarning, match="not spoken: 世") as seen:
                speak()
            assert seen[0].filename == __file__


def test_a_client_names_the_voices_that_its_server_has(
    server: RunningServer, synthesizer: Synthesizer, tmp_path: Path
) -> None:
    with Client(server.address) as client:
        assert client.list() == [synthesizer.manifest.voice]
    with (
        Client(server.address, "nobody") as client,
        pytest.raises(InputError, match="no voice 'nobody'"),
    ):
        client.save("Hello.", tmp_path / "other.wav")
