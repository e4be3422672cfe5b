"""Callers who start at the same moment: each gets audio, with OpenAI's own client, unmodified."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from openai import APIStatusError, OpenAI

from dlpo_serving.scheduling.waiting_line import WaitingLine
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer
from tests.serving.resilience.conftest import Neighbour

CALLERS = 20


@pytest.mark.parametrize("queue_s", [0.0, WAIT_S])
def test_callers_who_start_together_get_audio_in_turn(
    queue_s: float,
    start_server: Callable[..., RunningServer],
    neighbour: Callable[..., AbstractContextManager[Neighbour]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = []
    join = WaitingLine.join
    monkeypatch.setattr(WaitingLine, "join", lambda *one: waited.append(one) or join(*one))
    server = start_server(
        http_port=0, max_streams=50, max_first_audio_s=1e6, peer_share=1.0, queue_s=queue_s,
        burst_share=1e-4,
    )  # fmt: skip

    def speak(client: OpenAI) -> int:
        try:
            reply = client.audio.speech.create(
                model="tts-1", voice="fake", input="Noise becomes speech.", response_format="pcm"
            )
        except APIStatusError as error:
            soon = float(error.response.headers["retry-after-ms"]) < 100
            return 0 if soon else error.status_code
        return 200 if reply.content else 0

    with (
        neighbour(server.address),
        OpenAI(base_url=f"{server.http_url}v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        found = sorted(threads.map(speak, [client] * CALLERS))
    assert bool(waited) is (queue_s > 0)
    assert found == [200] * CALLERS if queue_s else 429 in found
