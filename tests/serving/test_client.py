"""The Python client: audio, and errors of our own tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlpo.errors import EngineError, InputError
from dlpo.text import TextFrontEnd
from dlpo_serving.client import SpeechClient
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech, step by step. Is it not strange?"


def test_a_stream_brings_info_audio_and_totals(server: Any, synthesizer: Synthesizer) -> None:
    request = SpeechRequest(TEXT, 0.9, -1.5, 8, 1, {"noise": "N OY1 Z"})

    with SpeechClient(server.address) as client:
        client.wait_until_serving()
        stream = client.stream(request, "fake")
        assert stream.totals is None
        audio = np.concatenate([chunk.samples for chunk in stream])

    np.testing.assert_allclose(audio, synthesizer.speak(request), atol=1e-6)
    assert stream.info.voice == "fake"
    assert stream.totals is not None
    assert (stream.totals.samples, stream.totals.steps) == (len(audio), 1)


def test_voices_are_listed(server: Any) -> None:
    with SpeechClient(server.address) as client:
        assert [voice.name for voice in client.voices()] == ["fake"]


@pytest.mark.parametrize(("text", "voice"), [("", ""), (TEXT, "nobody")])
def test_what_the_server_refuses_is_an_input_error(server: Any, text: str, voice: str) -> None:
    with SpeechClient(server.address) as client, pytest.raises(InputError):
        client.stream(SpeechRequest(text), voice)


@pytest.mark.parametrize("request_", [SpeechRequest("\ud800 hello"), SpeechRequest(TEXT, seed=-1)])
def test_what_no_message_can_hold_is_an_input_error(server: Any, request_: SpeechRequest) -> None:
    with SpeechClient(server.address) as client, pytest.raises(InputError, match="can't be sent"):
        client.stream(request_)


def test_no_server_is_an_engine_error_with_a_hint() -> None:
    with SpeechClient("127.0.0.1:1") as client:
        with pytest.raises(EngineError, match="is a server running there"):
            client.stream(SpeechRequest(TEXT))
        with pytest.raises(EngineError, match="DEADLINE_EXCEEDED"):
            client.wait_until_serving(timeout_s=0.1)


def test_a_full_server_is_an_engine_error(
    gated_engine: Any, front_end: TextFrontEnd, start_server: Callable[..., Any]
) -> None:
    gated_engine.open.set()
    server = start_server(Synthesizer(gated_engine, front_end), max_streams=1)
    gated_engine.open.clear()
    with SpeechClient(server.address) as client:
        first = client.stream(SpeechRequest(TEXT))
        with pytest.raises(EngineError, match="RESOURCE_EXHAUSTED"):
            client.stream(SpeechRequest(TEXT))
        gated_engine.free()
        list(first)


def test_a_cancelled_stream_ends_with_an_engine_error(server: Any) -> None:
    with SpeechClient(server.address) as client:
        stream = client.stream(SpeechRequest(TEXT * 10))
        next(iter(stream))
        stream.cancel()
        with pytest.raises(EngineError, match="CANCELLED"):
            list(stream)
