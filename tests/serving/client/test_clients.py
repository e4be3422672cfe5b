"""Both clients against real servers: audio, errors of our own tree, tokens, certificates."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from dlpo.errors import EngineError, InputError
from dlpo_serving.client import (
    AsyncSpeechClient,
    CallError,
    Chance,
    ReplyFormat,
    RetryPolicy,
    SpeechClient,
    Tls,
)
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import ONCE
from tests.serving.client.conftest import Heard
from tests.serving.conftest import Authority, GatedEngine, RunningServer, StartServer

TEXT = "Noise becomes speech, step by step. Is it not strange?"


def test_a_stream_brings_info_audio_and_totals(
    server: RunningServer, synthesizer: Synthesizer, hear: Heard
) -> None:
    request = SpeechRequest(TEXT, 0.9, -1.5, 8, 1, {"noise": "N OY1 Z"})

    hear(server.address, request, voice="fake")

    audio = np.concatenate([chunk.samples for chunk in hear.chunks])
    np.testing.assert_allclose(audio, synthesizer.speak(request), atol=1e-6)
    assert hear.info.voice == "fake"
    assert (hear.totals.samples, hear.totals.steps) == (len(audio), 1)


def test_utterance_equals_its_stream_and_voices_are_listed(
    server: RunningServer, hear: Heard
) -> None:
    hear(server.address, SpeechRequest(TEXT))

    with SpeechClient(server.address) as client:
        client.wait_until_serving()
        assert [voice.name for voice in client.voices()] == ["fake"]
        speech = client.speak(SpeechRequest(TEXT))

    assert speech.audio == b"".join(chunk.audio for chunk in hear.chunks)
    assert len(speech.samples) == speech.message.totals.samples

    async def ask() -> tuple[list[str], bytes]:
        async with AsyncSpeechClient(server.address) as client:
            await client.wait_until_serving()
            voices = [voice.name for voice in await client.voices()]
            return voices, (await client.speak(TEXT)).audio

    assert asyncio.run(ask()) == (["fake"], speech.audio)


@pytest.mark.parametrize(
    ("source", "call", "reported"),
    [
        (SpeechRequest(""), {}, "text"),
        (SpeechRequest(TEXT), {"voice": "nobody"}, "nobody"),
        (SpeechRequest("\ud800 hello"), {}, "can't be sent"),
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
    server: RunningServer, hear: Heard, source: Any, call: dict[str, Any], reported: str
) -> None:
    with pytest.raises(InputError, match=reported):
        hear(server.address, source, {}, **call)


def test_a_deadline_and_no_server_are_engine_errors(
    gated_engine: GatedEngine, gated_server: StartServer, hear: Heard
) -> None:
    with pytest.raises(CallError) as caught:
        hear(gated_server().address, SpeechRequest(TEXT), timeout_s=0.05)
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    gated_engine.free()

    with pytest.raises(EngineError, match="is a server running there"):
        hear("127.0.0.1:1", SpeechRequest(TEXT), {"retries": ONCE})


def test_cancelling_and_leaving_the_block_end_the_stream(
    gated_engine: GatedEngine, gated_server: StartServer
) -> None:
    server = gated_server(max_streams=1)

    patient = RetryPolicy(attempts=10_000, total_s=20.0)
    at_once = Chance(sleep=lambda delay_s: asyncio.sleep(0))
    with SpeechClient(server.address, retries=patient, chance=at_once) as client:
        with client.stream(SpeechRequest(TEXT)) as stream:
            assert gated_engine.waiting.acquire(timeout=20)
            stream.cancel()
            with pytest.raises(EngineError, match="CANCELLED"):
                list(stream)
            gated_engine.permits.release()  # of the window that is in hand
        with client.stream(SpeechRequest(TEXT)):
            assert gated_engine.waiting.acquire(timeout=20)
        # The only place is free again, or becomes so while this one is tried again.
        with client.stream(SpeechRequest("Go")) as second:
            gated_engine.free()
            assert list(second)


def test_a_stream_that_is_left_does_not_read_its_pieces_any_more(server: RunningServer) -> None:
    asked, closed = asyncio.Event(), []

    async def pieces() -> AsyncIterator[str]:
        try:
            yield "Noise becomes speech. And"
            asked.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def leave() -> None:
        async with AsyncSpeechClient(server.address) as client:
            async with await client.stream_pieces(pieces()) as stream:
                async for chunk in stream:
                    assert chunk.samples.size
                    break
                await asked.wait()
            await asyncio.sleep(0)
            assert closed

    asyncio.run(leave())


def test_finished_stream_is_not_counted_as_cancelled(
    server: RunningServer, hear: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "dlpo_serving.operations.call_scope"):
        hear(server.address, SpeechRequest(TEXT))
        hear(server.address, iter(["In ", "pieces."]))
        server.stop()
        server.thread.join()
    calls = [
        record.__dict__["dlpo_fields"] for record in caplog.records if record.message == "call"
    ]
    spoken = [call for call in calls if "Synthesize" in call["method"]]
    assert [(call["code"], call["chars"]) for call in spoken] == [("OK", len(TEXT)), ("OK", 10)]


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:http", "http://h:1"])
def test_an_address_has_host_and_port(address: str) -> None:
    with pytest.raises(InputError, match="expected HOST:PORT"):
        SpeechClient(address)


@pytest.mark.parametrize("token", ["naïve", "two\nlines"])
def test_unsendable_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InputError) as caught:
        SpeechClient("host:1", token=token)
    assert token not in str(caught.value)
    with pytest.raises(InputError, match="needs its key"):
        Tls(certificate=Path("client.pem"))


def test_tls_requires_the_name_and_a_trusted_certificate(
    start_server: StartServer, authority: Authority, stranger: Authority
) -> None:
    issued = authority.issue("server")
    server = start_server(tls_certificate=issued.certificate, tls_key=issued.key)

    def voices(ca: Path, name: str) -> Any:
        tls = Tls(ca=ca, server_name=name)
        with SpeechClient(server.address, tls=tls, retries=ONCE) as client:
            return client.voices()

    assert voices(authority.path, "localhost")
    for ca, name in ((authority.path, "other.test"), (stranger.path, "localhost")):
        with pytest.raises(CallError, match="with the same TLS"):
            voices(ca, name)
