"""Callers who are wrong, too large, too slow or gone: they get a status, the others get speech."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from dlpo.text import TextFrontEnd
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech, step by step. "
METHODS = ("Synthesize", "StreamSynthesize", "IncrementalSynthesize", "ListVoices")
TIMEOUT_S = 20.0


def call_with_bytes(server: Any, method: str, data: bytes) -> grpc.StatusCode:
    call = server.channel.stream_stream(f"/dlpo.v1.SpeechService/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([data]), timeout=TIMEOUT_S))
    assert "Traceback" not in caught.value.details()
    assert "class" not in caught.value.details()
    code: grpc.StatusCode = caught.value.code()
    return code


def is_served(server: Any) -> bool:
    request = speech_pb2.StreamSynthesizeRequest(text="Go.")
    return list(server.stub.StreamSynthesize(request, timeout=TIMEOUT_S))[-1].HasField("totals")


def is_served_soon(server: Any) -> bool:
    """As `is_served`, once the server has noticed that a place is free."""
    for _ in range(20_000):
        with suppress(grpc.RpcError):
            return is_served(server)
    return False


@contextmanager
def another_channel(server: Any) -> Iterator[speech_pb2_grpc.SpeechServiceStub]:
    """A connection of its own, so that the fixture's one does not suffer."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options) as channel:
        yield speech_pb2_grpc.SpeechServiceStub(channel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x05hi", b"\x0a\x03\xed\xa0\x80\x12\x01"])
def test_undecodable_bytes_are_an_invalid_argument(server: Any, method: str, data: bytes) -> None:
    assert call_with_bytes(server, method, data) == grpc.StatusCode.INVALID_ARGUMENT
    assert is_served(server)


@pytest.mark.parametrize("method", METHODS)
def test_a_message_of_8_mib_is_refused_unread(server: Any, method: str) -> None:
    data = speech_pb2.SynthesizeRequest(text="a" * (8 << 20)).SerializeToString()

    assert call_with_bytes(server, method, data) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert is_served(server)


@pytest.mark.parametrize("method", ["Synthesize", "StreamSynthesize"])
@pytest.mark.parametrize("field", ["text", "ssml"])
def test_200_000_characters_are_refused_with_what_is_allowed(
    server: Any, method: str, field: str
) -> None:
    request = speech_pb2.SynthesizeRequest(**{field: "word " * 40_000})
    call = server.channel.unary_unary(f"/dlpo.v1.SpeechService/{method}")

    with pytest.raises(grpc.RpcError, match="has 200000 characters; this server takes") as caught:
        call(request.SerializeToString(), timeout=TIMEOUT_S)

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    bad = BadRequest()
    (packed,) = (d for d in rpc_status.from_call(caught.value).details if d.Is(bad.DESCRIPTOR))
    assert packed.Unpack(bad)
    assert is_served(server)


def test_a_client_that_disconnects_frees_its_place(
    front_end: TextFrontEnd, gated_engine: Any, start_server: Callable[..., Any]
) -> None:
    gated_engine.open.set()
    server = start_server(Synthesizer(gated_engine, front_end), max_streams=1)
    gated_engine.open.clear()
    with another_channel(server) as stub:
        call = stub.StreamSynthesize(speech_pb2.StreamSynthesizeRequest(text=TEXT * 20))
        assert next(call).HasField("info")
        assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)

    gated_engine.free()
    assert is_served_soon(server)


def unread(stub: speech_pb2_grpc.SpeechServiceStub) -> Any:
    """A call of more bytes than the connection holds, of which only the first message is read."""
    config = speech_pb2.SynthesisConfig(
        speed=0.5, sample_rate_hz=48_000, encoding=speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
    )
    request = speech_pb2.StreamSynthesizeRequest(text=(TEXT * 60)[:1990], config=config)
    call = stub.StreamSynthesize(request)
    assert next(call).HasField("info")
    return call


def test_a_client_that_disconnects_while_it_is_not_reading_frees_its_place(
    start_server: Callable[..., Any], synthesizer: Synthesizer
) -> None:
    server = start_server(synthesizer, max_streams=1)
    with another_channel(server) as stub:
        call = unread(stub)

    assert is_served_soon(server)
    assert call.code() == grpc.StatusCode.CANCELLED


def test_a_client_that_never_reads_loses_its_place(
    start_server: Callable[..., Any], synthesizer: Synthesizer
) -> None:
    server = start_server(synthesizer, max_streams=1, stall_s=0.1)
    with another_channel(server) as stub:
        call = unread(stub)

        assert is_served_soon(server)

        with pytest.raises(grpc.RpcError, match="read the stream as it comes") as caught:
            list(call)
    assert caught.value.code() == grpc.StatusCode.ABORTED


def test_a_storm_of_cancelled_calls_leaves_every_place_free(
    server: Any, synthesizer: Synthesizer
) -> None:
    request = speech_pb2.StreamSynthesizeRequest(text=TEXT * 5)

    def storm() -> None:
        for _ in range(25):
            call = server.stub.StreamSynthesize(request, timeout=TIMEOUT_S)
            call.cancel()

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)

    for _ in range(4):  # as many as there are places
        assert is_served_soon(server)


@pytest.mark.parametrize("timeout_s", [0.0, 0.001, 0.03])
def test_a_long_text_with_a_short_deadline_ends_in_deadline_exceeded(
    server: Any, timeout_s: float
) -> None:
    request = speech_pb2.StreamSynthesizeRequest(text=(TEXT * 60)[:1990])

    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub.StreamSynthesize(request, timeout=timeout_s))

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert is_served_soon(server)


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_bytes_that_are_no_message_to_health_and_reflection_are_an_invalid_argument(
    server: Any, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    call: Any = server.channel.stream_stream(method)

    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([b"\xff\xff\xff"]), timeout=20.0))

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not [record for record in caplog.records if record.exc_info]


def test_a_name_too_long_for_trailers_is_shortened(server: Any) -> None:
    config = speech_pb2.SynthesisConfig(voice="x" * 20_000)

    with pytest.raises(grpc.RpcError) as caught:
        server.stub.Synthesize(speech_pb2.SynthesizeRequest(text="Hi.", config=config))

    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "xxx..." in caught.value.details()
