"""Harmful requests, greedy callers, and an end amid streams: the neighbour hears all."""

from __future__ import annotations

import json
import queue
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2
from dlpo_bench.load.hostile_clients import OpenCall
from dlpo_serving.client import CallError, Flush, RetryPolicy, SpeechClient
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.request import SpeechRequest
from tests.callers import WAIT_S, ServerProcess
from tests.serving.conftest import RunningServer
from tests.serving.resilience.conftest import Neighbour
from tests.serving.spoken_by import by_grpc

DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE s [<!ENTITY l0 "ha">{LAUGHS}]><speak>&l9;</speak>',
    "blow-up": f'<!DOCTYPE s [<!ENTITY a "{"a" * 1000}">]><speak>{"&a;" * 200}</speak>',
    "file": '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><speak>&a;</speak>',
    "depth": "<speak>" + "<p>" * 250 + "a" + "</p>" * 250 + "</speak>",
}
REFUSED = {
    **{bomb: (text, "INVALID_ARGUMENT", 400) for bomb, text in BOMBS.items()},
    "nothing": ("", "INVALID_ARGUMENT", 400),
    "marks": (" ?! ...", "INVALID_ARGUMENT", 400),
    "200,000 characters": ("word " * 40_000, "INVALID_ARGUMENT", 400),
    "8 MiB": ("a" * (8 << 20), "RESOURCE_EXHAUSTED", 413),  # by gRPC itself
}
VENDORS = {  # path -> the fields of a text and of a voice
    "/v1/text-to-speech/fake": ("text", ""),
    "/v1/text-to-speech/fake/stream/with-timestamps": ("text", ""),
    "/tts/bytes": ("transcript", "voice"),
    "/tts/sse": ("transcript", "voice"),
    "/v1/speak": ("text", ""),
    "/dev/captioned_speech": ("input", "voice"),
    "/v1/jambonz": ("text", "voice"),
}
TEXTS = ("Noise becomes speech. ", "Is it not strange?")
RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.5s",
    "maxBackoff": "4s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
}
# A busy machine refuses who comes just after others: not what is asked here.
PATIENT = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})


@pytest.mark.parametrize("what", REFUSED)
def test_bombs_and_extremes_are_refused_by_every_protocol(
    what: str,
    attacked: Callable[..., AbstractContextManager[RunningServer]],
    http_speech: Callable[..., HTTPResponse],
) -> None:
    text, status, http_status = REFUSED[what]
    is_ssml = what in BOMBS
    request = speech_pb2.SynthesizeRequest(**{"ssml" if is_ssml else "text": text})
    theirs = riva.SynthesizeSpeechRequest(text=text)
    pieces = [
        speech_pb2.IncrementalSynthesizeRequest(config={}),
        speech_pb2.IncrementalSynthesizeRequest(text=text),
    ]
    calls = [
        (f"{DLPO}Synthesize", request),
        (f"{DLPO}StreamSynthesize", request),
        (f"{RIVA}Synthesize", theirs),
        (f"{RIVA}SynthesizeOnline", theirs),
    ]
    if not is_ssml:
        calls.append((f"{DLPO}IncrementalSynthesize", *pieces))
    with attacked(http_port=0) as server:
        assert {by_grpc(server, *call).split()[0] for call in calls} == {status}
        reply = http_speech(server.http_url.split("/")[2], input=text, ssml=is_ssml)
        assert reply.status == http_status
        assert b"root:" not in reply.read()


def status_of(address: str, path: str, fields: dict[str, Any]) -> int:
    connection = HTTPConnection(address, timeout=WAIT_S)
    with closing(connection):
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(fields), headers)
        return connection.getresponse().status


@pytest.mark.parametrize("path", VENDORS)
def test_bombs_and_extremes_are_refused_by_vendors_apis(
    path: str, attacked: Callable[..., AbstractContextManager[RunningServer]]
) -> None:
    text_field, voice_field = VENDORS[path]
    long = "1" * 50_000 + "x"
    with attacked(http_port=0) as server:
        address = server.http_url.split("/")[2]
        for what, (text, _, status) in REFUSED.items():
            assert status_of(address, path, {text_field: text}) == status, what
        if voice_field:
            for voice in (long, f"lj*{long}"):
                fields = {text_field: "One fish.", voice_field: voice}
                assert status_of(address, path, fields) == 400
        dictionary = {f"word{n}": "ɐ́̀" * 1_000 for n in range(5)}
        if path.startswith(("/tts", "/v1/text")):
            fields = {text_field: "One fish.", "dictionary": dictionary}
            assert status_of(address, path, fields) == 400
        if path != "/v1/speak":  # whose settings are in its query
            fields = {text_field: "One fish.", "lead_in_s": 1e9}
            assert status_of(address, path, fields) == 400


@pytest.fixture
def conversations() -> Iterator[Callable[..., list[OpenCall]]]:
    """`conversations(address, count)` that share one connection."""
    channels, begun = [], []

    def begin(address: str, count: int) -> list[OpenCall]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.insecure_channel(address, options))
        ours = [OpenCall(channels[-1]) for _ in range(count)]
        begun.extend(ours)
        return ours

    yield begin
    for conversation in begun:
        conversation.end()
    for channel in channels:
        channel.close()


def test_empty_conversations_leave_slots_to_others(
    patient_server: Callable[..., Any],
    conversations: Callable[..., list[OpenCall]],
    neighbour: Callable[..., AbstractContextManager[Neighbour]],
) -> None:
    server = patient_server(max_streams=10)
    crowd = conversations(server.address, 20)
    refused = crowd[-1].refusal()
    assert refused
    assert "one may have 9 of 10" in refused.details()
    with neighbour(server.address):
        pass


def test_idle_conversation_yields_its_slot(
    patient_server: Callable[..., Any], conversations: Callable[..., list[OpenCall]]
) -> None:
    server = patient_server(max_streams=2, peer_share=1.0)
    (first,) = conversations(server.address, 1)
    next(first.call)  # admitted, before the second
    (second,) = conversations(server.address, 1)
    next(second.call)
    request = speech_pb2.StreamSynthesizeRequest(text="Is it not strange?")

    assert list(server.stub.StreamSynthesize(request, timeout=WAIT_S))

    refused = first.refusal()
    assert refused
    assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "dropped to free a slot" in refused.details()
    second.say(text="One fish.")
    second.say(flush=speech_pb2.Flush())
    assert next(second.call).audio


def test_crowd_of_conversations_causes_no_full_collection(
    start_process: Callable[..., AbstractContextManager[ServerProcess]],
    conversations: Callable[..., list[OpenCall]],
) -> None:
    def collections(server: ServerProcess) -> list[bytes]:
        with urlopen(f"http://{server.http_address}/metrics", timeout=WAIT_S) as reply:
            lines: list[bytes] = reply.read().splitlines()
        return [line for line in lines if b'collections_total{generation="2"}' in line]

    with start_process("--max-streams", "1000") as server:
        for conversation in conversations(server.address, 30):  # enough that it doesn't tidy
            next(conversation.call)
        before = collections(server)
        assert before
        for conversation in conversations(server.address, 800):
            next(conversation.call)
        assert collections(server) == before


def test_sigterm_drains_streams_of_every_protocol(
    start_process: Callable[..., AbstractContextManager[ServerProcess]],
    http_speech: Callable[..., HTTPResponse],
) -> None:
    with (
        start_process("--max-first-audio-s", "1000") as server,
        SpeechClient(server.address, retries=RetryPolicy(attempts=1)) as client,
        grpc.insecure_channel(server.address, [("grpc.service_config", PATIENT)]) as channel,
        ThreadPoolExecutor(1) as thread,
    ):
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        alone = client.speak(SpeechRequest("".join(TEXTS))).audio
        whole = http_speech(server.http_address, input=TEXTS[0] * 20).read()
        text: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        riva_text: queue.SimpleQueue[Any] = queue.SimpleQueue()
        text.put(TEXTS[0])
        riva_text.put(riva.SynthesizeSpeechRequest(text=TEXTS[0]))
        written = (part for one in iter(text.get, None) for part in (one, Flush()))
        stream = iter(client.stream_pieces(written, timeout_s=WAIT_S))
        heard = next(stream).audio
        call = channel.stream_stream(
            f"{RIVA}SynthesizeOnline",
            riva.SynthesizeSpeechRequest.SerializeToString,
            riva.SynthesizeSpeechResponse.FromString,
        )
        riva_stream = call(iter(riva_text.get, None), timeout=WAIT_S)
        riva_heard = next(riva_stream).audio
        while (body := http_speech(server.http_address, input=TEXTS[0] * 20)).status != 200:
            time.sleep(0.5)  # as above
        http_heard = body.read(1000)

        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
        watch = thread.submit(server.process.wait, WAIT_S)
        refused = until_refused(client)

        assert refused.code == grpc.StatusCode.UNAVAILABLE
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert http_speech(server.http_address, input="Hello").status == 503
        text.put(TEXTS[1])
        text.put(None)
        riva_text.put(riva.SynthesizeSpeechRequest(text=TEXTS[1]))
        riva_text.put(None)
        heard += b"".join(chunk.audio for chunk in stream)
        riva_heard += b"".join(reply.audio for reply in riva_stream)
        http_heard += body.read()
        assert watch.result(WAIT_S) == 0
        assert "Traceback" not in server.log.read_text()

    assert heard == alone
    assert len(riva_heard) == len(alone) // 2  # 16 bit, not 32
    assert http_heard == whole


def until_refused(client: SpeechClient) -> CallError:
    """The signal is on its way."""
    while True:
        try:
            client.speak(SpeechRequest("Hello"), timeout_s=WAIT_S)
        except CallError as error:
            return error
