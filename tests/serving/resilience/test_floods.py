"""A client that sends many small messages: everybody else has a turn between any two of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dlpo_bench.load.hostile_clients import FLOODS, flood
from dlpo_serving.protocols.http import speech_socket
from dlpo_serving.protocols.openai_realtime import server as realtime
from tests.callers import fake_voice
from tests.serving.conftest import Clock
from tests.serving.protocols.http.conftest import RunningServer

CONTEXTS = "v1/text-to-speech/fake/multi-stream-input"
COUNT = 4_000  # messages of a flood


class Turns:
    """Counts the messages that a server reads between two turns of its event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = self.most = 0
        self.turns = 0
        json_object = speech_socket.json_object

        def counted(content: bytes, what: str) -> Any:
            self.read += 1
            return json_object(content, what)

        monkeypatch.setattr(speech_socket, "json_object", counted)

    async def watch(self) -> None:
        while True:
            before = self.read
            await asyncio.sleep(0)
            self.most = max(self.most, self.read - before)
            self.turns += 1


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(speech_socket, "BURST", 1e9)  # the turns alone must do
    return Turns(monkeypatch)


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "MAX_ERRORS", 5)
    monkeypatch.setattr(speech_socket, "MAX_KEEP_ALIVES", 5)


@pytest.mark.parametrize("what", FLOODS)
def test_small_messages_leave_turns_to_others(
    what: str, attacked: Callable[..., Any], turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "MAX_ERRORS", 10**9)
    monkeypatch.setattr(speech_socket, "MAX_KEEP_ALIVES", 10**9)
    path, first, message = FLOODS[what]
    path = path.format(voice="fake")
    with attacked(http_port=0) as server:
        watch = asyncio.run_coroutine_threadsafe(turns.watch(), server.loop)
        everything = (message, COUNT, lambda: turns.read >= COUNT)
        asyncio.run(flood(server.http_url, path, first, *everything))
        watch.cancel()
    assert turns.read > 1_000
    assert turns.most <= 2


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize(
    ("what", "reason"),
    [("no JSON", "more than 5 invalid messages"), ("keep-alives", "more than 5 keep-alives")],
)
def test_a_budget_of_errors_and_keep_alives_ends_a_connection(
    what: str, reason: str, attacked: Callable[..., Any]
) -> None:
    with attacked(http_port=0) as server:
        path, *rest = FLOODS[what]
        last = asyncio.run(flood(server.http_url, path.format(voice="fake"), *rest, 100))
    assert reason in last


def test_keep_alives_of_an_utterance_count_as_pieces(small_server: RunningServer) -> None:
    path = f"{CONTEXTS}?output_format=pcm_24000"
    first = json.dumps({"text": " ", "context_id": "a"})
    last = asyncio.run(flood(f"{small_server.url}/", path, [first], '{"context_id": "a"}', 60))
    assert "more than 50 characters and pieces" in last


@pytest.fixture
def small_server() -> Iterator[RunningServer]:
    from dlpo_serving.protocols.http.requests import HttpLimits
    from tests.serving.protocols.http.conftest import open_server

    with open_server(fake_voice(), HttpLimits(body_bytes=50)) as server:
        yield server


def test_a_pace_lets_a_burst_through_and_then_so_many_a_second(clock: Clock) -> None:
    pace = speech_socket.Pace(10, 2.0, clock)
    assert [pace.wait_s() for _ in range(12)] == [0.0] * 10 + [0.5, 1.0]
    clock.now_s = 100.0
    assert [pace.wait_s() for _ in range(11)] == [0.0] * 10 + [0.5]
