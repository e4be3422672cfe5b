"""When a call is tried again, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.client import CallError, Chance, Flush, RetryPolicy
from dlpo_serving.client.errors import Backoff
from dlpo_serving.request import SpeechRequest
from tests.serving.client.conftest import Heard, ScriptedServer
from tests.serving.conftest import Clock

REQUEST = SpeechRequest("Once more.")
Code = grpc.StatusCode
UNAVAILABLE, FULL = Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED


def upper(low: float, high: float) -> float:
    """A random number: the upper end."""
    return high


def spoken(context: grpc.ServicerContext) -> Iterator[speech_pb2.AudioChunk]:
    yield speech_pb2.AudioChunk(audio=b"sound")


def refused(code: grpc.StatusCode, retry_after_ms: int | None = None) -> Any:
    def outcome(context: grpc.ServicerContext) -> Iterator[speech_pb2.AudioChunk]:
        details = [AnyMessage()]
        details[0].Pack(ErrorInfo(reason="TEST"))
        if retry_after_ms is not None:
            delay = Duration()
            delay.FromMilliseconds(retry_after_ms)
            details.append(AnyMessage())
            details[1].Pack(RetryInfo(retry_delay=delay))
        status = Status(code=code.value[0], message="no", details=details)
        context.abort_with_status(rpc_status.to_status(status))
        yield from ()

    return outcome


def cut_after_sound(context: grpc.ServicerContext) -> Iterator[speech_pb2.AudioChunk]:
    yield from spoken(context)
    context.abort(UNAVAILABLE, "gone")


def test_a_call_is_tried_until_it_is_taken(scripted_server: ScriptedServer, hear: Heard) -> None:
    cancelled = refused(grpc.StatusCode.CANCELLED)
    scripted_server.outcomes = [refused(UNAVAILABLE), refused(FULL, 1500), cancelled, spoken]

    hear(scripted_server.address, REQUEST, {"chance": Chance(Clock(), upper)})

    assert [chunk.audio for chunk in hear.chunks] == [b"sound"]
    assert hear.totals.samples == 1
    assert hear.delays == [0.1, 1.5 + 0.2, 0.4]  # the server has said when to come back
    assert len({call["x-request-id"] for call in scripted_server.calls}) == 1


def test_pieces_are_sent_again_from_the_first_one(
    scripted_server: ScriptedServer, hear: Heard
) -> None:
    scripted_server.outcomes = [refused(UNAVAILABLE), spoken]

    hear(scripted_server.address, iter(["One ", Flush(), "two."]))

    assert scripted_server.texts == [["One ", "flush", "two."]] * 2


@pytest.mark.parametrize(
    ("outcome", "calls", "chunks"),
    [
        *((refused(code), 1, 0) for code in (Code.INTERNAL, Code.UNAUTHENTICATED, Code.UNKNOWN)),
        (cut_after_sound, 1, 1),  # what was heard is not said again
        (refused(FULL, 10), 3, 0),  # attempts are bounded
    ],
    ids=["our fault", "no token", "unknown", "cut", "full"],
)
def test_how_often_a_call_is_tried(
    scripted_server: ScriptedServer, hear: Heard, outcome: Any, calls: int, chunks: int
) -> None:
    scripted_server.outcomes = [outcome] * 9

    with pytest.raises(CallError) as caught:
        hear(scripted_server.address, REQUEST, {"retries": RetryPolicy(attempts=3)})

    assert (len(scripted_server.calls), len(hear.chunks)) == (calls, chunks)
    assert len(hear.delays) == calls - 1
    assert caught.value.request_id == scripted_server.calls[0]["x-request-id"]
    assert caught.value.retry_after_s == (0.01 if calls > 1 else None)


@pytest.mark.parametrize(
    ("last", "error"), [(OSError("the writer is gone"), OSError), ("\ud800", InputError)]
)
def test_an_error_of_the_pieces_is_the_callers(
    scripted_server: ScriptedServer, hear: Heard, last: Any, error: type[Exception]
) -> None:
    def pieces() -> Iterator[str]:
        yield "One."
        if isinstance(last, Exception):
            raise last
        yield last

    scripted_server.outcomes = [spoken]

    with pytest.raises(error, match=r"writer is gone|can't be sent"):
        hear(scripted_server.address, pieces())

    if error is OSError:  # comes after what was sent
        assert (scripted_server.texts, len(hear.chunks)) == ([["One."]], 1)


def test_delays_double_up_to_the_longest_with_full_jitter() -> None:
    asked: list[tuple[float, float]] = []
    delays: list[float] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    async def sleep(delay_s: float) -> None:
        delays.append(delay_s)

    backoff = Backoff(RetryPolicy(6, 0.5, 3.0, 100.0), Chance(lambda: 0.0, uniform, sleep), None)

    for _ in range(5):
        asyncio.run(backoff.wait_after(CallError("full", FULL, None)))
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert asked == [(0, delay) for delay in delays]
    with pytest.raises(CallError, match="full"):
        asyncio.run(backoff.wait_after(CallError("full", FULL, None)))


@pytest.mark.parametrize(
    ("total_s", "timeout_s", "now_s", "retry_after_s"),
    [(5.0, None, 4.95, None), (60.0, 2.0, 0.0, 2.0), (60.0, 2.0, 0.0, 3600.0)],
)
def test_error_is_raised_at_once_if_no_time_is_left(
    total_s: float, timeout_s: float | None, now_s: float, retry_after_s: float | None
) -> None:
    clock = Clock()
    backoff = Backoff(RetryPolicy(total_s=total_s), Chance(clock, upper), timeout_s)
    clock.now_s = now_s

    with pytest.raises(CallError):
        asyncio.run(backoff.wait_after(CallError("full", FULL, retry_after_s)))


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"total_s": -1}, {"max_delay_s": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        RetryPolicy(**wrong)
