"""Harmful requests, greedy callers, and an end amid streams: the neighbour hears all."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2
from dlpo_bench.load.hostile_clients import OpenCall
from dlpo_serving.client import SpeechClient
from tests.callers import PATIENT, WAIT_S, Conversation, figure
from tests.serving.conftest import RunningServer, StartServer
from tests.serving.protocols.callers import WAYS, Post, by_grpc, by_way
from tests.serving.resilience.conftest import (
    Attack,
    Beside,
    Http2,
    HttpSpeech,
    Neighbour,
    StartProcess,
)

DLPO = "/dlpo.v1.SpeechService/"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE s [<!ENTITY l0 "ha">{LAUGHS}]><speak>&l9;</speak>',
    "blow-up": f'<!DOCTYPE s [<!ENTITY a "{"a" * 1000}">]><speak>{"&a;" * 200}</speak>',
    "file": '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><speak>&a;</speak>',
    "depth": "<speak>" + "<p>" * 250 + "a" + "</p>" * 250 + "</speak>",
}
REFUSED = BOMBS | {
    "nothing": "",
    "marks": " ?! ...",
    "200,000 characters": "word " * 40_000,
}
DOCUMENTS = [  # ways that take SSML
    way
    for way, caller in WAYS.items()
    if "whole" in way or way == "Riva" or isinstance(caller, Post)
]


@pytest.mark.parametrize("way", ["Riva", *DOCUMENTS])
def test_bombs_and_extremes_are_refused_by_every_api(way: str, attacked: Attack) -> None:
    with attacked(http_port=0, wyoming_port=0) as server:
        for what, text in REFUSED.items():
            heard = asyncio.run(WAYS[way].speak(server, text))
            assert (heard.audio, heard.error != "") == (b"", True), what
            assert not re.search("root:|the server failed|internal_error", heard.error)


@pytest.mark.parametrize("way", ["gRPC, whole", "speech", "Kokoro", "ElevenLabs", "Cartesia"])
def test_extreme_settings_are_refused_by_every_api(way: str, attacked: Attack) -> None:
    dictionary = {f"word{n}": "ɐ́̀" * 1_000 for n in range(5)}
    with attacked(http_port=0) as server:
        assert b"lead_in_s" in by_way(way, server, "One fish.", lead_in_s=1e9)
        assert b"dictionary" in by_way(way, server, "One fish.", dictionary=dictionary)


def test_extreme_texts_in_pieces_and_messages_are_refused(
    attacked: Attack, http_speech: HttpSpeech
) -> None:
    piece, large = speech_pb2.IncrementalSynthesizeRequest, "a" * (8 << 20)
    with attacked(http_port=0) as server:
        for what in ("nothing", "marks", "200,000 characters"):
            pieces = piece(config={}), piece(text=REFUSED[what])
            refused = by_grpc(server, f"{DLPO}IncrementalSynthesize", *pieces)
            assert refused.startswith("INVALID_ARGUMENT")
        whole = by_grpc(server, f"{DLPO}Synthesize", speech_pb2.SynthesizeRequest(text=large))
        assert whole.startswith("RESOURCE_EXHAUSTED")
        assert http_speech(server.http_url.split("/")[2], input=large).status == 413


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
    patient_server: StartServer, conversations: Callable[..., list[OpenCall]], neighbour: Beside
) -> None:
    server = patient_server(max_streams=10)
    crowd = conversations(server.address, 20)
    refused = crowd[-1].refusal()
    assert refused
    assert "one may have 9 of 10" in refused.details()
    with neighbour(server.address):
        pass


def test_idle_conversation_yields_its_slot(
    patient_server: StartServer, conversations: Callable[..., list[OpenCall]]
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
    start_process: StartProcess, conversations: Callable[..., list[OpenCall]]
) -> None:
    full = 'python_gc_collections_total{generation="2"}'
    with start_process("--max-streams", "1000") as server:
        for conversation in conversations(server.address, 30):  # enough that it doesn't tidy
            next(conversation.call)
        before = figure(server.http_address, full)
        for conversation in conversations(server.address, 800):
            next(conversation.call)
        assert figure(server.http_address, full) == before > 0


def test_sigterm_drains_and_every_probe_says_so(
    start_process: StartProcess, http_speech: HttpSpeech
) -> None:
    with (
        start_process("--max-first-audio-s", "1000") as server,
        SpeechClient(server.address, retries=PATIENT) as client,
        grpc.insecure_channel(server.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        alone = client.speak(Neighbour.TEXT, timeout_s=WAIT_S).audio
        stream = Conversation(client)
        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert http_speech(server.http_address, input="Hello").status == 503
        assert stream.finish() == alone
        assert server.process.wait(WAIT_S) == 0
        assert "Traceback" not in server.log.read_text()


def test_non_utf_8_metadata_leaks_and_logs_nothing(
    server: RunningServer, raw_http2: Http2, caplog: pytest.LogCaptureFixture
) -> None:
    secret, sent = {b"authorization": b"Bearer dlpo-SECRET-TOKEN" + b"\xff" * 70}, 0
    hostile = raw_http2(server.address)
    for number in range(200):
        sent += hostile.begin(f"{DLPO}Nothing", 2 * number + 1, more=secret)
    hostile.hear_ends(200)
    assert by_grpc(server, f"{DLPO}ListVoices", speech_pb2.ListVoicesRequest()).startswith("OK")
    assert "SECRET" not in caplog.text
    assert "not UTF-8" in caplog.text
    assert len(caplog.text) < 0.1 * sent
