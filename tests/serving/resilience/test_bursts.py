"""Callers who start at the same moment: each gets its file, with OpenAI's own client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import pytest
from openai import APIStatusError, OpenAI

from tests.serving.conftest import RunningServer
from tests.serving.resilience.conftest import Neighbour

CALLERS = 20


@pytest.mark.parametrize(
    ("format", "settings", "served"),
    [("mp3", {}, CALLERS), ("pcm", {}, 1), ("mp3", {"queue_s": 0}, 1)],
)
def test_files_wait_for_their_turn_and_live_calls_do_not(
    format: Literal["mp3", "pcm"],
    settings: dict[str, Any],
    served: int,
    start_server: Callable[..., RunningServer],
    neighbour: Callable[..., AbstractContextManager[Neighbour]],
) -> None:
    server = start_server(http_port=0, max_streams=2, peer_share=1.0, **settings)

    def speak(client: OpenAI) -> int:
        try:
            reply = client.audio.speech.create(
                model="tts-1", voice="fake", input="Noise becomes speech.", response_format=format
            )
        except APIStatusError as error:
            return error.status_code if int(error.response.headers["retry-after"]) else 0
        return 200 if reply.content else 0

    with (
        neighbour(server.address) if format == "mp3" else nullcontext(),  # idle, it gives way
        OpenAI(base_url=f"{server.http_url}v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        found = sorted(threads.map(speak, [client] * CALLERS))
    assert set(found) <= {200, 429}
    assert served <= found.count(200)
    assert (found.count(429) > 0) is (served < CALLERS)
