"""POST /v1/audio/speech over real connections, with the fake engine behind it."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from dlpo.errors import EngineError
from dlpo.text import TextFrontEnd
from dlpo_serving.engine import Floats
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.http import HttpLimits
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import AdmissionPolicy
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech. Is it 😀 not strange?"
TIMEOUT_S = 20.0


class BreakingEngine(FakeEngine):
    """Fails once it has denoised as often as the test allows."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 10**9

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        self.left -= 1
        if self.left < 0:
            raise EngineError("graph denoiser_3 at /secret/path")
        return super().denoise(steps, conditioning, source, noise)


def error_of(response: http.client.HTTPResponse) -> dict[str, Any]:
    assert response.headers["Content-Type"].startswith("application/json")
    return json.loads(response.read())["error"]


def events_of(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in response)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_audio_is_that_of_the_synthesizer(client: Any, door: Any, front_end: TextFrontEnd) -> None:
    settings = {"speed": 1.1, "pitch_semitones": 1.5, "seed": 3, "steps": 1}

    response = client.speak(door, sample_rate=22_050, **settings)

    samples = np.frombuffer(response.read(), "<i2") / 32767
    offline = Synthesizer(FakeEngine(), front_end).speak(SpeechRequest(TEXT, **settings))
    np.testing.assert_allclose(samples, offline, atol=1 / 32767)
    assert response.headers["X-Sample-Rate"] == "22050"
    assert response.headers["X-Voice"] == "fake"


@pytest.mark.parametrize(
    ("format", "least"),  # bytes; of Opus the header is 869
    [("pcm", 2000), ("mp3", 300), ("opus", 900), ("flac", 200)],
)
def test_the_body_begins_with_the_first_sound_while_the_rest_is_not_made(
    client: Any,
    gated_engine: Any,
    gated_door: Callable[..., Any],
    format: str,
    least: int,
) -> None:
    door = gated_door()
    gated_engine.permits.release()  # one window

    response = client.speak(door, response_format=format)

    first = b""
    while len(first) < least:
        more = response.read1()
        assert more
        first += more
    assert door.speaker.calls == 1
    gated_engine.free()
    assert len(response.read()) > 0


def test_our_events_tell_words_that_lie_where_they_say_in_text_and_sound(
    client: Any, door: Any
) -> None:
    info, *pieces, done = events_of(client.speak(door, stream_format="dlpo", sample_rate=16_000))

    assert (info["type"], info["sample_rate"], info["voice"]) == ("speech.info", 16_000, "fake")
    assert info["dropped_characters"] == 1
    assert {piece["type"] for piece in pieces} == {"speech.audio"}
    words = [word for piece in pieces for word in piece["words"]]
    found = [TEXT[word["start_character"] : word["stop_character"]] for word in words]
    assert found == ["Noise", "becomes", "speech", "Is", "it", "not", "strange"]
    times = [time for word in words for time in (word["start_s"], word["stop_s"])]
    assert times == sorted(times)
    samples = sum(len(base64.b64decode(piece["audio"])) // 2 for piece in pieces)
    assert (done["type"], done["samples"]) == ("speech.done", samples)
    assert times[-1] <= done["audio_s"] == pytest.approx(samples / 16_000, abs=1e-3)
    phonemes = words[0]["phonemes"]
    assert (phonemes[0]["start_s"], phonemes[-1]["stop_s"]) == (times[0], times[1])


def test_all_deliveries_carry_the_same_audio(client: Any, door: Any) -> None:
    plain = client.speak(door).read()

    lines = list(events_of(client.speak(door, stream_format="dlpo")))
    server_sent = client.speak(door, stream_format="sse").read().decode().split("\n\n")

    ours = b"".join(base64.b64decode(line.get("audio", "")) for line in lines)
    events = [json.loads(event.removeprefix("data: ")) for event in server_sent if event]
    theirs = b"".join(base64.b64decode(event.get("audio", "")) for event in events)
    assert ours == theirs == plain


def test_marks_of_ssml_are_told(client: Any, door: Any) -> None:
    ssml = '<speak>one <mark name="here"/> two</speak>'

    lines = list(events_of(client.speak(door, input=ssml, ssml=True, stream_format="dlpo")))

    (mark,) = [mark for line in lines for mark in line.get("marks", [])]
    words = [word for line in lines for word in line.get("words", [])]
    assert mark == {"name": "here", "at_s": words[1]["start_s"]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "?!..."}, "input"),
        ({"input": "word " * 40_000}, "input"),
        ({"input": "<speak>", "ssml": True}, "input"),
        ({"speed": 4.5}, "speed"),
        ({"steps": 2}, "steps"),
        ({"seed": 2**32}, "seed"),
        ({"sample_rate": 10**30}, "sample_rate"),
        ({"response_format": "opus", "sample_rate": 22_050}, "sample_rate"),
        ({"dictionary": {"a": "?"}}, "dictionary"),
    ],
    ids=str,
)
def test_a_bad_value_is_a_400_that_names_the_parameter(
    client: Any, door: Any, fields: dict[str, Any], param: str
) -> None:
    response = client.speak(door, **fields)

    error = error_of(response)
    assert (response.status, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 200_000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (b" " * 300_000, {}, 413),
    ],
    ids=["cut", "not UTF-8", "deep", "text", "gzip", "large"],
)
def test_a_bad_body_is_refused(
    client: Any, door: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = client.post(door, body, headers)

    assert response.status == status
    assert error_of(response)["message"]


def test_a_server_without_a_voice_yet_says_when_to_come_back(
    client: Any,
    open_http_door: Callable[..., Any],
) -> None:
    response = client.speak(open_http_door(None))

    assert (response.status, error_of(response)["code"]) == (503, "not_ready")
    assert int(response.headers["Retry-After"]) >= 1


def test_more_calls_than_places_are_refused_with_a_time_to_retry(
    client: Any, gated_engine: Any, gated_door: Callable[..., Any]
) -> None:
    policy = AdmissionPolicy(max_streams=1, max_first_audio_s=1e6, utilisation=1e6)
    door = gated_door(policy)
    gated_engine.permits.release()
    running = client.speak(door)

    refused = client.speak(door)

    assert (refused.status, error_of(refused)["code"]) == (429, "server_busy")
    assert int(refused.headers["Retry-After"]) >= 1
    assert int(refused.headers["retry-after-ms"]) >= 1
    gated_engine.free()
    assert len(running.read()) > 10_000


def test_a_reply_that_is_late_ends_with_504(
    client: Any, gated_engine: Any, gated_door: Callable[..., Any]
) -> None:
    door = gated_door()

    response = client.speak(door, timeout_s=0.05)

    assert (response.status, error_of(response)["code"]) == (504, "deadline_exceeded")
    wait_until(lambda: door.speaker.calls == 0)
    gated_engine.free()


@pytest.mark.parametrize("windows", [0, 1], ids=["before the first sound", "amid the sound"])
def test_a_client_that_goes_away_gives_its_place_back(
    client: Any,
    windows: int,
    gated_engine: Any,
    gated_door: Callable[..., Any],
) -> None:
    door = gated_door()
    connection = client.connect(door)
    body = json.dumps({"model": "dlpo", "input": TEXT})
    connection.request("POST", "/v1/audio/speech", body, {"Content-Type": "application/json"})
    for _ in range(windows):
        assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)
        gated_engine.permits.release()
    assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)
    assert door.speaker.calls == 1

    connection.sock.close()

    wait_until(lambda: door.speaker.calls == 0)
    gated_engine.free()
    assert client.speak(door).status == 200


def test_listeners_of_events_that_vanish_leave_no_call_behind(
    client: Any, synthesizer: Synthesizer, open_http_door: Callable[..., Any]
) -> None:
    door = open_http_door(synthesizer)
    for _ in range(20):
        response = client.speak(door, stream_format="sse", input=TEXT * 20)
        assert response.readline().startswith(b"data: ")
        response.fp.raw._sock.shutdown(socket.SHUT_RDWR)

    wait_until(lambda: door.speaker.calls == 0)
    assert client.speak(door).status == 200


def test_an_engine_that_fails_before_the_first_sound_is_a_500_without_internals(
    client: Any, front_end: TextFrontEnd, open_http_door: Callable[..., Any]
) -> None:
    engine = BreakingEngine()
    door = open_http_door(Synthesizer(engine, front_end))
    engine.left = 0

    response = client.speak(door)

    error = error_of(response)
    assert (response.status, error["code"]) == (500, "internal_error")
    assert "secret" not in error["message"]
    engine.left = 1000
    assert client.speak(door).status == 200


def test_an_engine_that_fails_amid_the_sound_cuts_the_body(
    client: Any, front_end: TextFrontEnd, open_http_door: Callable[..., Any]
) -> None:
    engine = BreakingEngine()
    door = open_http_door(Synthesizer(engine, front_end))

    engine.left = 2
    with pytest.raises(http.client.IncompleteRead):
        client.speak(door).read()

    engine.left = 2
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.speak(door, stream_format="dlpo").read()
    last = json.loads(caught.value.partial.splitlines()[-1])
    assert (last["type"], last["error"]["code"]) == ("error", "internal_error")


def test_tokens_are_asked_for_where_keys_are_kept(
    client: Any, front_end: TextFrontEnd, open_http_door: Callable[..., Any]
) -> None:
    def authorize(token: str) -> str:
        if token != "good":
            raise UnauthenticatedError("the token is not known here")
        return "alice"

    door = open_http_door(Synthesizer(FakeEngine(), front_end), authorize=authorize)
    headers = [{}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic good"}]

    for wrong in headers:
        response = client.post(door, {"model": "dlpo", "input": "Hello"}, wrong)
        assert (response.status, error_of(response)["code"]) == (401, "invalid_api_key")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    right = client.post(door, {"model": "dlpo", "input": "Hello"}, {"Authorization": "Bearer good"})
    assert right.status == 200
    with closing(client.connect(door)) as connection:
        for path, status in {"/": 200, "/healthz": 200, "/metrics": 200, "/v1/voices": 401}.items():
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (status, True)


def test_a_body_that_comes_too_slowly_is_given_up(
    client: Any, front_end: TextFrontEnd, open_http_door: Callable[..., Any]
) -> None:
    limits = HttpLimits(body_s=0.05)
    door = open_http_door(Synthesizer(FakeEngine(), front_end), http_limits=limits)
    with closing(client.connect(door)) as connection:
        connection.putrequest("POST", "/v1/audio/speech")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"model"')

        response = connection.getresponse()

        assert response.status == 408
        assert "0.05 s" in error_of(response)["message"]
