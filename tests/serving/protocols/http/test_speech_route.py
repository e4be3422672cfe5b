"""POST /v1/audio/speech over real connections, with the fake engine behind it."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest.mock import DEFAULT, Mock

import pytest
import soundfile

from dlpo.errors import EngineError
from dlpo_serving.protocols.http.requests import HttpLimits
from tests.callers import fake_voice, wait_until
from tests.fake_engine import FakeEngine
from tests.serving.conftest import GatedEngine
from tests.serving.protocols.http.conftest import Client, RunningServer, StartServer

TEXT = "Noise becomes speech. Is it 😀 not strange?"


def error_of(response: http.client.HTTPResponse) -> dict[str, Any]:
    assert response.headers["Content-Type"].startswith("application/json")
    return json.loads(response.read())["error"]


def events_of(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in response)


@pytest.mark.parametrize(
    ("format", "least"),  # bytes; of Opus the header is 869
    [("pcm", 2000), ("mp3", 300), ("opus", 900), ("flac", 200)],
)
def test_body_starts_before_synthesis_ends(
    client: Client, gated_engine: GatedEngine, gated_server: StartServer, format: str, least: int
) -> None:
    server = gated_server()
    gated_engine.permits.release()  # one window

    response = client.speak(server, response_format=format, stream=True)

    first = b""
    while len(first) < least:
        more = response.read1()
        assert more
        first += more
    assert server.service.calls == 1
    gated_engine.free()
    assert len(response.read()) > 0


def test_word_events_match_text_and_audio(client: Client, server: RunningServer) -> None:
    info, *pieces, done = events_of(client.speak(server, stream_format="dlpo", sample_rate=16_000))

    assert (info["type"], info["sample_rate"], info["voice"]) == ("speech.info", 16_000, "fake")
    assert (info["dropped_characters"], info["warnings"]) == (1, ["not spoken: 😀"])
    assert {piece["type"] for piece in pieces} == {"speech.audio"}
    words = [word for piece in pieces for word in piece["words"]]
    found = [TEXT[word["start_character"] : word["stop_character"]] for word in words]
    assert found == ["Noise", "becomes", "speech", "Is", "it", "not", "strange"]
    times = [time for word in words for time in (word["start_s"], word["stop_s"])]
    assert times == sorted(times)
    audio = b"".join(base64.b64decode(piece["audio"]) for piece in pieces)
    assert audio == client.speak(server, sample_rate=16_000).read()
    samples = len(audio) // 2
    assert (done["type"], done["samples"]) == ("speech.done", samples)
    assert times[-1] <= done["audio_s"] == pytest.approx(samples / 16_000, abs=1e-3)
    phonemes = words[0]["phonemes"]
    assert (phonemes[0]["start_s"], phonemes[-1]["stop_s"]) == (times[0], times[1])


def test_ssml_marks_are_events(client: Client, server: RunningServer) -> None:
    ssml = '<speak>one <mark name="here"/> two</speak>'

    lines = list(events_of(client.speak(server, input=ssml, ssml=True, stream_format="dlpo")))

    (mark,) = [mark for line in lines for mark in line.get("marks", [])]
    words = [word for line in lines for word in line.get("words", [])]
    assert mark == {"name": "here", "at_s": words[1]["start_s"]}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (b" " * 300_000, {}, 413),
    ],
    ids=["cut", "text", "gzip", "large"],
)
def test_a_bad_body_is_refused(
    client: Client, server: RunningServer, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = client.post(server, body, headers)

    assert response.status == status
    assert error_of(response)["message"]


def test_a_reply_that_is_late_ends_with_504(
    client: Client, gated_engine: GatedEngine, gated_server: StartServer
) -> None:
    server = gated_server()

    response = client.speak(server, timeout_s=0.05)

    assert (response.status, error_of(response)["code"]) == (504, "deadline_exceeded")
    wait_until(lambda: server.service.calls == 0)
    gated_engine.free()


def test_an_engine_that_fails_amid_the_sound_cuts_the_body(
    client: Client, start_server: StartServer
) -> None:
    engine = FakeEngine()
    denoise = engine.denoise
    server = start_server(fake_voice(engine))
    fails = EngineError("graph denoiser_3 at /secret/path")
    engine.denoise = Mock(wraps=denoise, side_effect=[DEFAULT, DEFAULT, fails])
    with pytest.raises(http.client.IncompleteRead):
        client.speak(server).read()
    engine.denoise = Mock(wraps=denoise, side_effect=[DEFAULT, DEFAULT, fails])
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.speak(server, stream_format="dlpo").read()
    last = json.loads(caught.value.partial.splitlines()[-1])
    assert (last["type"], last["error"]["code"]) == ("error", "internal_error")


def test_a_body_that_comes_too_slowly_is_given_up(
    client: Client, start_server: StartServer
) -> None:
    limits = HttpLimits(body_s=0.05)
    server = start_server(fake_voice(), http_limits=limits)
    with closing(client.connect(server)) as connection:
        connection.putrequest("POST", "/v1/audio/speech")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"model"')

        response = connection.getresponse()

        assert response.status == 408
        assert "0.05 s" in error_of(response)["message"]


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ({"response_format": "mulaw"}, {"response_format": "ulaw"}),
        ({"response_format": "wav"}, {"response_format": "Wave"}),
        ({"response_format": "flac"}, {"response_format": "FLAC"}),
        ({"voice": "fake"}, {"voice": "Fake"}),
        ({"model": "tts-1"}, {"model": "TTS-1"}),
    ],
)
def test_names_are_understood_in_other_spellings(
    server: RunningServer, client: Client, usual: dict[str, str], other: dict[str, str]
) -> None:
    assert client.speak(server, **other).read() == client.speak(server, **usual).read()


def test_a_slash_at_the_end_makes_no_difference(server: RunningServer, client: Client) -> None:
    reply = client.post(server, {"input": TEXT}, path="/v1/audio/speech/")
    assert reply.read() == client.post(server, {"input": TEXT}).read()
    assert client.get(server, "/v1/voices/").status == 200


def test_an_unknown_path_gets_the_known_ones(server: RunningServer, client: Client) -> None:
    reply = client.post(server, {"input": TEXT}, path="/v1/audio/speach")
    message = json.loads(reply.read())["error"]["message"]
    assert reply.status == 404
    assert "POST /v1/audio/speach, did you mean /v1/audio/speech?" in message
    assert "/v1/text-to-speech/{voice}" in message


def test_a_reply_says_what_it_ignores_and_how_long_it_took(
    server: RunningServer, client: Client
) -> None:
    reply = client.speak(server, instructions="Whisper.")
    assert "instructions were ignored" in reply.headers["X-Warning"]
    assert float(reply.headers["Server-Timing"].removeprefix("first-audio;dur=")) > 0


@pytest.mark.parametrize("encoding", ["flac", "mp3"])
def test_a_reply_of_one_sentence_has_its_length(
    server: RunningServer, client: Client, encoding: str
) -> None:
    """It is streamed nevertheless, unless it is FLAC."""
    fields: dict[str, Any] = {"response_format": encoding, "sample_rate": 22_050}
    sentence = "Noise becomes speech."
    pcm = client.speak(server, input=sentence, response_format="pcm", sample_rate=22_050).read()
    for stream in (False, True):
        content = client.speak(server, input=sentence, stream=stream, **fields).read()
        assert len(soundfile.read(io.BytesIO(content))[0]) == len(pcm) // 2


def test_flac_of_several_sentences_has_its_length(server: RunningServer, client: Client) -> None:
    pcm = client.speak(server).read()
    content = client.speak(server, response_format="flac", sample_rate=24_000).read()
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 24_000
    assert samples.tobytes() == pcm
    streamed = client.speak(server, response_format="flac", sample_rate=24_000, stream=True).read()
    assert streamed[26:] == content[26:]


def test_captions_are_those_of_the_audio(server: RunningServer, client: Client) -> None:
    lines = client.speak(server, stream_format="dlpo").read().splitlines()
    events = [json.loads(line) for line in lines if line]
    words = [word for event in events if event["type"] == "speech.audio" for word in event["words"]]
    reply = client.speak(server, response_format="json")
    assert reply.headers["Content-Type"] == "application/json"
    read = json.loads(reply.read())
    shown = [word for caption in read["captions"] for word in caption["words"]]
    assert [word["text"] for word in shown] == TEXT.split()
    assert shown[0]["start_s"] == pytest.approx(words[0]["start_s"], abs=1e-4)
    vtt = client.speak(server, response_format="VTT")
    assert vtt.headers["Content-Type"] == "text/vtt"
    assert vtt.read().startswith(b"WEBVTT\n\n00:00:00")
    assert client.speak(server, response_format="srt").read().startswith(b"1\n00:00:00,")
