"""A client that sends many small messages: everybody else has a turn between any two of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dlpo_bench.load.hostile_clients import FLOODS, flood
from dlpo_serving import service
from dlpo_serving.protocols.http import socket_inbox, speech_socket
from dlpo_serving.protocols.http import turns as parsing
from dlpo_serving.protocols.openai_realtime import server as realtime
from tests.serving.conftest import Clock
from tests.serving.resilience.conftest import Attack

CONTEXTS = "v1/text-to-speech/fake/multi-stream-input"
COUNT = 4_000  # messages of a flood


class Turns:
    """Counts the messages that a server reads between two turns of its event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = self.most = 0
        self.turns = 0
        json_object = parsing.json_object

        def counted(content: bytes, what: str) -> Any:
            self.read += 1
            return json_object(content, what)

        monkeypatch.setattr(parsing, "json_object", counted)

    async def watch(self) -> None:
        while True:
            before = self.read
            await asyncio.sleep(0)
            self.most = max(self.most, self.read - before)
            self.turns += 1


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(socket_inbox, "BURST", 1e9)  # the turns alone must do
    return Turns(monkeypatch)


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "MAX_ERRORS", 5)
    monkeypatch.setattr(speech_socket, "MAX_KEEP_ALIVES", 5)


@pytest.mark.parametrize("what", FLOODS)
def test_small_messages_leave_turns_to_others(
    what: str, attacked: Attack, turns: Turns, monkeypatch: pytest.MonkeyPatch
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
    what: str, reason: str, attacked: Attack
) -> None:
    with attacked(http_port=0) as server:
        path, *rest = FLOODS[what]
        last = asyncio.run(flood(server.http_url, path.format(voice="fake"), *rest, 100))
    assert reason in last


def test_keep_alives_of_an_utterance_count_as_pieces(
    attacked: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_PIECES", 50)
    path = f"{CONTEXTS}?output_format=pcm_24000"
    first = json.dumps({"text": " ", "context_id": "a"})
    with attacked(http_port=0) as server:
        last = asyncio.run(flood(server.http_url, path, [first], '{"context_id": "a"}', 60))
    assert "more than 50 pieces" in last


def test_large_bodies_leave_turns_to_others() -> None:
    content = b'{"x": [' + b"[]," * 20_000 + b"[]]}"

    async def run() -> int:
        reading = parsing.ParsingTurns()
        bodies = asyncio.gather(*(reading.parsed(content) for _ in range(50)))
        turns = 0
        while not bodies.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(run()) >= 50


def test_a_pace_lets_a_burst_through_and_then_so_many_a_second(clock: Clock) -> None:
    pace = socket_inbox.Pace(10, 2.0, clock)
    assert [pace.wait_s() for _ in range(12)] == [0.0] * 10 + [0.5, 1.0]
    clock.now_s = 100.0
    assert [pace.wait_s() for _ in range(11)] == [0.0] * 10 + [0.5]
