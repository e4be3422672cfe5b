"""SIGTERM while callers of every door are in the middle of their streams."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from dlpo_serving.client import CallError, Flush, RetryPolicy, SpeechClient
from dlpo_serving.request import SpeechRequest
from dlpo_serving.riva.proto import riva_tts_pb2 as riva

TIMEOUT_S = 30.0
TEXTS = ("Noise becomes speech. ", "Is it not strange?")
PATIENT = json.dumps(  # a busy machine refuses who comes just after others: not what is asked here
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.5s",
                    "maxBackoff": "4s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
                },
            }
        ]
    }
)
RIVA = "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"


def riva_call(channel: grpc.Channel) -> Callable[..., Any]:
    call: Callable[..., Any] = channel.stream_stream(
        RIVA,
        request_serializer=riva.SynthesizeSpeechRequest.SerializeToString,
        response_deserializer=riva.SynthesizeSpeechResponse.FromString,
    )
    return call


@pytest.mark.parametrize("times", [1, 3], ids=["once", "three times"])
def test_sigterm_cuts_no_stream_of_any_door_and_refuses_new_ones(
    times: int,
    start_process: Callable[..., Any],
    http_speech: Callable[..., http.client.HTTPResponse],
) -> None:
    with (
        start_process("--max-first-audio-s", "1000") as server,
        SpeechClient(server.address, retries=RetryPolicy(attempts=1)) as client,
        grpc.insecure_channel(server.address, [("grpc.service_config", PATIENT)]) as channel,
        ThreadPoolExecutor(1) as thread,
    ):
        alone = client.speak(SpeechRequest("".join(TEXTS))).audio
        whole = http_speech(server.http_address, input=TEXTS[0] * 20).read()
        text: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        riva_text: queue.SimpleQueue[Any] = queue.SimpleQueue()
        text.put(TEXTS[0])
        riva_text.put(riva.SynthesizeSpeechRequest(text=TEXTS[0]))
        written = (part for one in iter(text.get, None) for part in (one, Flush()))
        stream = iter(client.stream_pieces(written, timeout_s=TIMEOUT_S))
        heard = next(stream).audio
        riva_stream = riva_call(channel)(iter(riva_text.get, None), timeout=TIMEOUT_S)
        riva_heard = next(riva_stream).audio
        while (body := http_speech(server.http_address, input=TEXTS[0] * 20)).status != 200:
            time.sleep(0.5)  # as above
        http_heard = body.read(1000)

        for _ in range(times):
            server.process.send_signal(signal.SIGTERM)
        watch = thread.submit(server.process.wait, TIMEOUT_S)
        refused = until_refused(client)

        assert refused.code == grpc.StatusCode.UNAVAILABLE
        assert http_speech(server.http_address, input="Hello").status == 503
        text.put(TEXTS[1])
        text.put(None)
        riva_text.put(riva.SynthesizeSpeechRequest(text=TEXTS[1]))
        riva_text.put(None)
        heard += b"".join(chunk.audio for chunk in stream)
        riva_heard += b"".join(reply.audio for reply in riva_stream)
        http_heard += body.read()
        assert watch.result(TIMEOUT_S) == 0
        assert "Traceback" not in server.log.read_text()

    assert heard == alone
    assert len(riva_heard) == len(alone) // 2  # 16 bit, not 32
    assert http_heard == whole


def until_refused(client: SpeechClient) -> CallError:
    """The signal is on its way."""
    while True:
        try:
            client.speak(SpeechRequest("Hello"), timeout_s=TIMEOUT_S)
        except CallError as error:
            return error
