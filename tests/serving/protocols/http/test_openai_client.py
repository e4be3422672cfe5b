"""OpenAI's own client package, unmodified but for the address."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Iterator
from typing import Any

import av
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from dlpo_serving.protocols.http.requests import HttpLimits
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.names import voice_named
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import fake_voice
from tests.serving.protocols.http.conftest import RunningServer, StartServer

TEXT = "Noise becomes speech."
FORMATS = {  # response_format -> media type, rate in Hz
    "mp3": ("audio/mpeg", 22_050),
    "opus": ("audio/ogg; codecs=opus", 24_000),
    "aac": ("audio/aac", 22_050),
    "flac": ("audio/flac", 22_050),
    "wav": ("audio/wav", 22_050),
    "pcm": ("audio/pcm", 24_000),
}


@pytest.fixture(scope="module")
def openai(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def speech(**fields: Any) -> dict[str, Any]:
    return {"model": "tts-1", "voice": "fake", "input": TEXT, **fields}


def duration_s(audio: bytes, response_format: str) -> float:
    """By FFmpeg, which did not encode all of them."""
    named = {"format": "s16le", "options": {"sample_rate": "24000"}}
    with av.open(io.BytesIO(audio), **(named if response_format == "pcm" else {})) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize("response_format", FORMATS)
def test_every_format_holds_the_whole_utterance(openai: OpenAI, response_format: Any) -> None:
    response = openai.audio.speech.create(**speech(response_format=response_format))

    spoken = fake_voice().speak(SpeechRequest(TEXT))
    found_s = duration_s(response.content, response_format)
    assert found_s == pytest.approx(len(spoken) / 22_050, abs=0.1)  # codecs add their frames
    media_type, rate = FORMATS[response_format]
    assert response.response.headers["Content-Type"] == media_type
    assert response.response.headers["X-Sample-Rate"] == str(rate)
    assert response.response.headers["X-Voice"] == "fake"


def test_server_sent_events_have_openais_shapes(openai: OpenAI) -> None:
    create = openai.audio.speech.with_streaming_response.create
    with create(**speech(response_format="pcm", stream_format="sse")) as response:
        lines = [line for line in response.iter_lines() if line]
        assert response.headers["Content-Type"] == "text/event-stream"

    *deltas, done = (json.loads(line.removeprefix("data: ")) for line in lines)
    assert {frozenset(delta) for delta in deltas} == {frozenset(["type", "audio"])}
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert audio == openai.audio.speech.create(**speech(response_format="pcm")).content
    assert done == {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": len(TEXT),
            "output_tokens": len(audio) // 2,
            "total_tokens": len(TEXT) + len(audio) // 2,
        },
    }


def test_names_of_voices_mean_ours_where_they_can() -> None:
    ours, aliases = ["lj", "heart", "michael"], {"nova": "heart", "lj": "heart"}
    meant = {
        "nova": "heart", "alloy": "", "af_heart": "heart", "af_sky": "", "lj": "heart",
        "onyx": "michael", "am_adam": "michael", "am_michael": "michael",
        "lj*0.5+heart*0.5": "lj*0.5+heart*0.5", "nobody": "nobody",
    }  # fmt: skip
    assert {name: voice_named(name, ours, aliases) for name in meant} == meant
    assert voice_named("onyx", ["lj"], {}) == ""
    assert voice_named("heart*2+nova", []) == "heart*2+nova"  # while none is loaded
    mixes = {  # as Kokoro-FastAPI writes them
        "af_heart(2)+af_nova(1)": "heart*2+nova*1", "af_heart+AF_NOVA": "heart*1+nova*1",
        "heart*0.6+nova*0.4": "heart*0.6+nova*0.4", "af_sky(0.5) + am_adam": "lj*0.5+lj*1",
        "af_heart(2+nova": "af_heart(2+nova",
    }  # fmt: skip
    assert {mix: voice_named(mix, ["lj", "heart", "nova"], {}) for mix in mixes} == mixes


def test_ignored_options_are_named_in_a_header(openai: OpenAI) -> None:
    extra = {"lang_code": "a", "stream": False, "évil\r\nX-Key": 1}
    create = openai.audio.speech.create
    fast = create(**speech(speed=4, response_format="pcm"), extra_body=extra)

    assert fast.content == create(**speech(speed=2, response_format="pcm")).content
    assert fast.response.headers["X-Warning"] == (
        r"unknown fields were ignored: 'lang_code', '\xe9vil\\r\\nX-Key';"
        " speed is 2, the nearest that the voice supports"
    )
    assert "X-Warning" not in create(**speech(response_format="pcm")).response.headers


def test_a_strict_server_refuses_instead(
    synthesizer: Synthesizer, start_server: StartServer
) -> None:
    server = start_server(synthesizer, HttpLimits(strict=True))
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        for fields in ({"extra_body": {"lang_code": "a"}}, {"speed": 4}):
            with pytest.raises(BadRequestError, match=r"lang_code|expected 0\.5 to 2"):
                client.audio.speech.create(**speech(**fields))


def test_a_wav_of_a_short_text_has_its_length(openai: OpenAI) -> None:
    create = openai.audio.speech.create
    pcm = create(**speech(response_format="pcm"), extra_body={"sample_rate": 22_050}).content
    short = create(**speech(response_format="wav"))
    streamed = create(**speech(response_format="wav"), extra_body={"stream": True}).content

    with wave.open(io.BytesIO(short.content)) as file:
        assert file.readframes(file.getnframes()) == pcm
    length = int.from_bytes(short.content[4:8], "little") + 8
    assert short.response.headers["Content-Length"] == str(length) == str(len(short.content))
    assert (streamed[:8], streamed[44:]) == (b"RIFF\xff\xff\xff\xff", pcm)


def test_lists_and_errors_are_those_of_the_client(openai: OpenAI) -> None:
    assert [model.id for model in openai.models.list()][:2] == ["dlpo", "tts-1"]
    assert openai.models.retrieve("tts-1").id == "tts-1"
    with pytest.raises(NotFoundError):
        openai.models.retrieve("whisper-1")
    with pytest.raises(NotFoundError, match="this server has fake") as unknown:
        openai.audio.speech.create(**speech(voice="nobody"))
    assert (unknown.value.code, unknown.value.param) == ("voice_not_found", "voice")
    with pytest.raises(BadRequestError) as empty:
        openai.audio.speech.create(**speech(input=""))
    assert empty.value.param == "input"
