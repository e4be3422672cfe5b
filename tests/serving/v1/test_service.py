"""`dlpo.v1.SpeechService` over a real channel, with the fake engine behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import ResourceInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.text import TextFrontEnd
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.v1.wire import decode_samples

F32 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
TEXT = "Noise becomes speech, step by step. Is it not strange?"
TIMEOUT_S = 20.0

Part = speech_pb2.StreamSynthesizeResponse


def stream_request(text: str = TEXT, **config: Any) -> speech_pb2.StreamSynthesizeRequest:
    return speech_pb2.StreamSynthesizeRequest(
        text=text, config=speech_pb2.SynthesisConfig(**config)
    )


def parts_of(server: Any, request: speech_pb2.StreamSynthesizeRequest) -> list[Part]:
    return list(server.stub.StreamSynthesize(request, timeout=TIMEOUT_S))


def audio_of(parts: list[Part], encoding: speech_pb2.AudioEncoding = F32) -> np.ndarray:
    return decode_samples(b"".join(part.audio.audio for part in parts), encoding)


def first_accepted(server: Any, request: speech_pb2.StreamSynthesizeRequest) -> Iterator[Part]:
    """Call until the server has a free slot; the stream of the call that got it."""
    for _ in range(1000):
        call = server.stub.StreamSynthesize(request, timeout=TIMEOUT_S)
        with suppress(grpc.RpcError):
            assert next(call).HasField("info")
            return call
    raise AssertionError("the slot was never freed")


def test_stream_has_info_then_audio_then_totals(server: Any) -> None:
    parts = parts_of(server, stream_request(seed=7, steps=1))

    kinds = [part.WhichOneof("part") for part in parts]
    assert kinds[0] == "info"
    assert set(kinds[1:-1]) == {"audio"}
    assert kinds[-1] == "totals"
    assert parts[0].info.processed_text == "noise becomes speech step by step\nis it not strange"
    assert (parts[0].info.voice, parts[0].info.format.sample_rate_hz) == ("fake", 22_050)
    assert (parts[-1].totals.seed, parts[-1].totals.steps) == (7, 1)


def test_streamed_audio_equals_offline_audio(server: Any, synthesizer: Synthesizer) -> None:
    settings = {"speed": 1.1, "pitch_semitones": 1.5, "seed": 3}

    parts = parts_of(server, stream_request(encoding=F32, **settings))

    offline = synthesizer.speak(SpeechRequest(TEXT, **settings))
    np.testing.assert_allclose(audio_of(parts), offline, atol=1e-6)
    assert parts[-1].totals.samples == len(offline)
    assert parts[-1].totals.audio_s == len(offline) / 22_050


def test_offsets_and_sentences_are_those_of_the_audio(server: Any) -> None:
    audio = [part.audio for part in parts_of(server, stream_request())[1:-1]]

    lengths = [len(chunk.audio) // 2 for chunk in audio]
    assert [chunk.sample_offset for chunk in audio] == [0, *np.cumsum(lengths)[:-1]]
    assert [chunk.sentence for chunk in audio] == sorted(chunk.sentence for chunk in audio)
    assert {chunk.sentence for chunk in audio} == {0, 1}


def test_unary_reply_equals_the_stream(server: Any) -> None:
    request = speech_pb2.SynthesizeRequest(
        text=TEXT, config=speech_pb2.SynthesisConfig(encoding=F32)
    )

    reply = server.stub.Synthesize(request, timeout=TIMEOUT_S)

    parts = parts_of(server, stream_request(encoding=F32))
    assert reply.audio == b"".join(part.audio.audio for part in parts)
    assert (reply.info, reply.totals) == (parts[0].info, parts[-1].totals)


def test_voices_are_listed_with_their_ranges(server: Any) -> None:
    (voice,) = server.stub.ListVoices(speech_pb2.ListVoicesRequest()).voices

    assert (voice.name, voice.language, list(voice.steps)) == ("fake", "en-US", [1, 3])
    assert (voice.default_steps, voice.speed.min, voice.speed.max) == (3, 0.5, 2.0)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (stream_request(""), "text"),
        (stream_request("?!..."), "text"),
        (stream_request("word " * 20_000), "text"),
        (stream_request(speed=float("nan")), "config.speed"),
        (stream_request(steps=2), "config.steps"),
        (stream_request(encoding=99), "config.encoding"),
        (stream_request(dictionary={"a": "?"}), "config.dictionary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_values_are_invalid_arguments_that_name_the_field(
    server: Any,
    refusal: Callable[..., Any],
    request_: speech_pb2.StreamSynthesizeRequest,
    field: str,
) -> None:
    refused = refusal(server.stub.StreamSynthesize, request_)

    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


@pytest.mark.parametrize("voice", ["nobody", "../../etc/passwd", "voices/lj"])
def test_unknown_voice_is_not_found(server: Any, refusal: Callable[..., Any], voice: str) -> None:
    refused = refusal(server.stub.StreamSynthesize, stream_request(voice=voice))

    assert refused.code == "NOT_FOUND"
    assert refused.detail(ResourceInfo).resource_name == voice


def test_a_unary_reply_that_is_too_long_points_to_the_stream(
    server: Any, refusal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_serving.service.MAX_UNARY_BYTES", 20_000)

    refused = refusal(server.stub.Synthesize, speech_pb2.SynthesizeRequest(text=TEXT))

    assert refused.code == "INVALID_ARGUMENT"
    assert "use StreamSynthesize" in refused.message


def test_more_calls_than_streams_are_refused_with_a_time_to_retry(
    gated_engine: Any, gated_server: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    server = gated_server(max_streams=1)
    first = server.stub.StreamSynthesize(stream_request())
    assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)

    refused = refusal(server.stub.StreamSynthesize, stream_request())

    assert refused.code == "RESOURCE_EXHAUSTED"
    assert refused.detail(RetryInfo).retry_delay.ToMilliseconds() > 0
    gated_engine.free()
    assert list(first)[-1].HasField("totals")


def test_a_cancelled_stream_frees_its_slot_and_stops_the_engine(
    gated_engine: Any, gated_server: Callable[..., Any]
) -> None:
    server = gated_server(max_streams=1)
    call = server.stub.StreamSynthesize(stream_request())
    assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)
    before = gated_engine.calls.count("denoiser_3")

    call.cancel()
    second = first_accepted(server, stream_request("Go"))
    gated_engine.free()

    spoken = [part for part in second if part.HasField("audio")]
    # The window that was in hand when the call was cancelled, and those of the second call.
    assert gated_engine.calls.count("denoiser_3") <= before + 1 + len(spoken)


def test_a_deadline_ends_the_call_and_frees_its_slot(
    gated_engine: Any, gated_server: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    server = gated_server(max_streams=1)
    late = refusal(server.stub.StreamSynthesize, stream_request(TEXT * 30), timeout=0.03)
    assert late.code == "DEADLINE_EXCEEDED"

    second = first_accepted(server, stream_request())
    gated_engine.free()
    assert list(second)[-1].HasField("totals")


def test_an_engine_that_fails_is_an_internal_error_without_internals(
    front_end: TextFrontEnd,
    start_server: Callable[..., Any],
    refusal: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine()
    server = start_server(Synthesizer(engine, front_end))
    engine.frames = lambda *_: 1 / 0

    with caplog.at_level(logging.ERROR, "dlpo_serving"):
        refused = refusal(server.stub.StreamSynthesize, stream_request())

    assert refused.code == "INTERNAL"
    assert "zero" not in refused.message
    assert "ZeroDivisionError" in caplog.text
    del engine.frames
    assert parts_of(server, stream_request())[-1].HasField("totals")


def test_drain_lets_the_running_stream_end_and_refuses_new_ones(
    gated_engine: Any, gated_server: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    server = gated_server()
    watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    running = server.stub.StreamSynthesize(stream_request())
    assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)

    server.stop()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert refusal(server.stub.StreamSynthesize, stream_request()).code == "UNAVAILABLE"
    gated_engine.free()

    assert list(running)[-1].HasField("totals")
    server.thread.join(TIMEOUT_S)
    assert not server.thread.is_alive()


def test_a_stream_longer_than_the_grace_is_cut(
    gated_engine: Any, gated_server: Callable[..., Any]
) -> None:
    server = gated_server(grace_s=0.0)
    running = server.stub.StreamSynthesize(stream_request())
    assert gated_engine.waiting.acquire(timeout=TIMEOUT_S)

    server.stop()

    with pytest.raises(grpc.RpcError):
        list(running)
    gated_engine.free()


PHRASE = "Noise becomes speech, step by step. "


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


def unread(stub: speech_pb2_grpc.SpeechServiceStub) -> Any:
    """A call of more bytes than the connection holds, of which only the first message is read."""
    config = speech_pb2.SynthesisConfig(
        speed=0.5, sample_rate_hz=48_000, encoding=speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
    )
    request = speech_pb2.StreamSynthesizeRequest(text=(PHRASE * 60)[:1990], config=config)
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


@pytest.mark.parametrize(("length", "code"), [(500, "NOT_FOUND"), (20_000, "INVALID_ARGUMENT")])
def test_a_voice_of_a_long_name_has_a_short_status(
    server: Any, refusal: Callable[..., Any], length: int, code: str
) -> None:
    config = speech_pb2.SynthesisConfig(voice="x" * length)

    refused = refusal(
        server.stub.Synthesize, speech_pb2.SynthesizeRequest(text="Hi.", config=config)
    )

    assert refused.code == code
    assert len(refused.message) < 200
