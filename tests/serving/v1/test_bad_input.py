"""Callers who are wrong, too large, too slow or gone: they get a status, the others get speech."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("length", "code"),
    [(500, grpc.StatusCode.NOT_FOUND), (20_000, grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_a_voice_of_a_long_name_has_a_short_status(
    server: Any, length: int, code: grpc.StatusCode
) -> None:
    config = speech_pb2.SynthesisConfig(voice="x" * length)

    with pytest.raises(grpc.RpcError) as caught:
        server.stub.Synthesize(speech_pb2.SynthesizeRequest(text="Hi.", config=config))

    assert caught.value.code() == code
    assert len(caught.value.details()) < 200
