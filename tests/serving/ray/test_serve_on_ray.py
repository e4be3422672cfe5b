"""Two replicas behind Serve's proxy: what callers hear, and what becomes of them."""

from __future__ import annotations

import signal
import socket
import subprocess
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.client import CallError, SpeechClient
from dlpo_serving.request import SpeechRequest
from tests.callers import ONCE, PATIENT, WAIT_S, Conversation, wait_until
from tests.serving.protocols.callers import by_way
from tests.serving.ray.conftest import RayServer

FIRST = Conversation.FIRST


def heard(address: str) -> dict[str, bytes]:
    """The same text in every way that a caller may take."""
    text = FIRST + Conversation.SECOND
    server: Any = SimpleNamespace(address=address)
    ways = "gRPC", "gRPC, whole", "Riva", "Riva, whole"
    found = {way: by_way(way, server, text, voice="") for way in ways}
    with SpeechClient(address, retries=PATIENT) as client:
        stream = client.stream(SpeechRequest(text), timeout_s=WAIT_S)
        return found | {"stream": b"".join(chunk.audio for chunk in stream)}


def test_audio_is_that_of_a_plain_server_in_every_way(
    ray_server: RayServer, plain_server: str
) -> None:
    with SpeechClient(ray_server.address) as client:
        client.wait_until_serving(WAIT_S)
        assert "michael" in [voice.name for voice in client.voices()]

    assert heard(ray_server.address) == heard(plain_server)


def statuses(address: str) -> list[tuple[grpc.StatusCode, str, bytes]]:
    """How calls fail that ask for what can't be: code, message, details in binary."""
    config = speech_pb2.SynthesisConfig
    wrong = [
        speech_pb2.StreamSynthesizeRequest(text=""),
        speech_pb2.StreamSynthesizeRequest(text="x", config=config(speed=99)),
        speech_pb2.StreamSynthesizeRequest(text="x", config=config(voice="ann")),
    ]
    ends = []
    with grpc.insecure_channel(address) as channel:
        name = "/dlpo.v1.SpeechService/StreamSynthesize"
        call = channel.unary_stream(name)
        for data in [message.SerializeToString() for message in wrong] + [b"no message"]:
            with pytest.raises(grpc.RpcError) as caught:
                list(call(data, timeout=WAIT_S))
            status = rpc_status.from_call(caught.value)
            ends.append((caught.value.code(), status.message, status.SerializeToString()))
    return ends


def test_statuses_and_their_details_are_those_of_a_plain_server(
    ray_server: RayServer, plain_server: str
) -> None:
    assert statuses(ray_server.address) == statuses(plain_server)


def test_a_deadline_is_known_to_the_replica(ray_server: RayServer) -> None:
    with grpc.insecure_channel(ray_server.address) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        text = FIRST * 20
        call = stub.Synthesize.with_call
        with pytest.raises(grpc.RpcError) as caught:
            call(speech_pb2.SynthesizeRequest(text=text), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    status = rpc_status.from_call(caught.value)
    if status:  # else the caller's own clock was faster
        info = ErrorInfo()
        assert any(detail.Unpack(info) for detail in status.details)
        assert info.reason == "DEADLINE_TOO_SHORT"


def test_a_cancelled_call_ends_in_the_replica(ray_server: RayServer) -> None:
    with SpeechClient(ray_server.address) as client:
        stream = client.stream(SpeechRequest(FIRST * 60), timeout_s=WAIT_S)
        next(iter(stream))
        stream.cancel()

    wait_until(lambda: f"id={stream.request_id}" in ray_server.log.read_text())
    (line,) = [x for x in ray_server.log.read_text().splitlines() if stream.request_id in x]
    assert "code=CANCELLED" in line


def test_killed_replica_loses_only_its_streams(ray_server: RayServer, plain_server: str) -> None:
    with SpeechClient(plain_server) as client:
        whole = Conversation(client).finish()
    with ExitStack() as callers:
        conversations = []
        for _ in range(6):
            caller = callers.enter_context(SpeechClient(ray_server.address, retries=PATIENT))
            conversations.append(Conversation(caller))
        before = ray_server.replicas()
        assert len(before) == 2

        killed = min(before)
        ray_server.kill(killed)
        ends = [conversation.end() for conversation in conversations]

        assert set(ends) == {whole, grpc.StatusCode.UNAVAILABLE}
        caller = callers.enter_context(SpeechClient(ray_server.address, retries=PATIENT))
        assert Conversation(caller).finish() == whole
    wait_until(lambda: len(ray_server.replicas()) == 2)
    assert killed not in ray_server.replicas()


def test_taken_port_is_reported(ray_server: RayServer, ray_python: str) -> None:
    port = ray_server.address.rpartition(":")[2]
    command = [ray_python, "-m", "dlpo_serving", "--ray", "--host", "0.0.0.0", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert f"can't listen on port {port}" in done.stderr


def test_sigterm_lets_calls_end_and_leaves_nothing_behind(
    ray_server: RayServer, plain_server: str
) -> None:
    with SpeechClient(plain_server) as client:
        whole = Conversation(client).finish()
    with SpeechClient(ray_server.address) as client:
        last = Conversation(client)
        processes = ray_server.processes()

        ray_server.process.send_signal(signal.SIGTERM)
        with SpeechClient(ray_server.address, retries=ONCE) as late:
            wait_until(lambda: refused(late))
        assert last.finish() == whole

    assert ray_server.process.wait(WAIT_S) == 0
    wait_until(lambda: not ray_server.alive(processes))
    host, _, port = ray_server.address.rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def refused(client: SpeechClient) -> bool:
    try:
        client.speak(SpeechRequest("x"), timeout_s=WAIT_S)
    except CallError as error:
        return error.code is grpc.StatusCode.UNAVAILABLE
    return False
