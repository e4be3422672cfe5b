"""Both clients against a real server: audio, and errors of our own tree."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import numpy as np
import pytest

from dlpo.errors import EngineError, InputError
from dlpo_serving.client import (
    AsyncSpeechClient,
    CallError,
    ReplyFormat,
    RetryPolicy,
    SpeechClient,
)
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech, step by step. Is it not strange?"
ONCE = {"retries": RetryPolicy(attempts=1)}


def test_a_stream_brings_info_audio_and_totals(
    server: Any, synthesizer: Synthesizer, hear: Callable[..., None], heard: Any
) -> None:
    request = SpeechRequest(TEXT, 0.9, -1.5, 8, 1, {"noise": "N OY1 Z"})

    hear(heard, server.address, request, {}, voice="fake")

    audio = np.concatenate([chunk.samples for chunk in heard.chunks])
    np.testing.assert_allclose(audio, synthesizer.speak(request), atol=1e-6)
    assert heard.info.voice == "fake"
    assert (heard.totals.samples, heard.totals.steps) == (len(audio), 1)


def test_a_whole_utterance_equals_its_stream(
    server: Any, hear: Callable[..., None], heard: Any
) -> None:
    hear(heard, server.address, SpeechRequest(TEXT), {})

    with SpeechClient(server.address) as client:
        speech = client.speak(SpeechRequest(TEXT))

    assert speech.audio == b"".join(chunk.audio for chunk in heard.chunks)
    assert len(speech.samples) == speech.message.totals.samples

    async def speak() -> bytes:
        async with AsyncSpeechClient(server.address) as client:
            return (await client.speak(SpeechRequest(TEXT))).audio

    assert asyncio.run(speak()) == speech.audio


def test_voices_are_listed_once_it_serves(server: Any) -> None:
    with SpeechClient(server.address) as client:
        client.wait_until_serving()
        assert [voice.name for voice in client.voices()] == ["fake"]

    async def voices() -> list[str]:
        async with AsyncSpeechClient(server.address) as client:
            await client.wait_until_serving()
            return [voice.name for voice in await client.voices()]

    assert asyncio.run(voices()) == ["fake"]


@pytest.mark.parametrize(
    ("source", "call", "told"),
    [
        (SpeechRequest(""), {}, "text"),
        (SpeechRequest(TEXT), {"voice": "nobody"}, "nobody"),
        (SpeechRequest("\ud800 hello"), {}, "can't be sent"),
        (SpeechRequest(TEXT, seed=-1), {}, "can't be sent"),
        (["</speak>"], {"request": SpeechRequest("<speak>", ssml=True)}, "send it whole"),
        (
            SpeechRequest(TEXT),
            {"reply": ReplyFormat(Encoding.OPUS_FRAMED)},
            r"opus_framed; dlpo\.v1 has pcm_s16",
        ),
    ],
    ids=str,
)
def test_what_can_not_be_asked_is_an_input_error(
    server: Any,
    hear: Callable[..., None],
    heard: Any,
    source: Any,
    call: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(InputError, match=told):
        hear(heard, server.address, source, {}, **call)


def test_no_server_is_an_engine_error_with_a_hint(hear: Callable[..., None], heard: Any) -> None:
    with pytest.raises(EngineError, match="is a server running there"):
        hear(heard, "127.0.0.1:1", SpeechRequest(TEXT), ONCE)


def test_a_deadline_is_an_engine_error(
    gated_engine: Any,
    gated_server: Callable[..., Any],
    hear: Callable[..., None],
    heard: Any,
) -> None:
    server = gated_server()

    with pytest.raises(CallError) as caught:
        hear(heard, server.address, SpeechRequest(TEXT), {}, timeout_s=0.05)

    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    gated_engine.free()


def test_a_cancelled_stream_ends_with_an_engine_error(server: Any) -> None:
    with SpeechClient(server.address) as client:
        stream = client.stream(SpeechRequest(TEXT * 10))
        next(iter(stream))
        stream.cancel()
        with pytest.raises(EngineError, match="CANCELLED"):
            list(stream)


def test_leaving_the_block_ends_the_stream(
    gated_engine: Any, gated_server: Callable[..., Any]
) -> None:
    server = gated_server(max_streams=1)

    patient = RetryPolicy(attempts=10_000, total_s=20.0)
    with SpeechClient(server.address, retries=patient, sleep=lambda delay_s: None) as client:
        with client.stream(SpeechRequest(TEXT)):
            assert gated_engine.waiting.acquire(timeout=20)
        # The only place is free again, or becomes so while this one is tried again.
        with client.stream(SpeechRequest("Go")) as second:
            gated_engine.free()
            assert list(second)


def test_a_stream_that_is_left_does_not_read_its_pieces_any_more(server: Any) -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncIterator[str]:
        try:
            yield "Noise becomes speech. And"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def leave() -> None:
        async with AsyncSpeechClient(server.address) as client:
            async with await client.stream_pieces(pieces()) as stream:
                async for chunk in stream:
                    assert chunk.samples.size
                    break
            await asyncio.sleep(0)
            assert closed

    asyncio.run(leave())


def test_a_stream_that_was_heard_to_its_end_is_no_cancelled_call_to_the_server(
    server: Any, hear: Callable[..., None], heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "dlpo_serving.operations.call_scope"):
        hear(heard, server.address, SpeechRequest(TEXT), {})
        hear(heard, server.address, iter(["In ", "pieces."]), {})
        server.stop()
        server.thread.join()
    calls = [
        record.__dict__["dlpo_fields"] for record in caplog.records if record.message == "call"
    ]
    spoken = [call for call in calls if "Synthesize" in call["method"]]
    assert [(call["code"], call["chars"]) for call in spoken] == [("OK", len(TEXT)), ("OK", 10)]
