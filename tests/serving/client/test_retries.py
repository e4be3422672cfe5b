"""When a call is tried again, and when not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from dlpo_serving.client import CallError, Chance, Flush, RetryPolicy, SpeechClient
from dlpo_serving.client.errors import Backoff
from dlpo_serving.request import SpeechRequest

REQUEST = SpeechRequest("Once more.")
UNAVAILABLE, FULL = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED


class Time:
    """A clock that a test moves; random numbers are the upper end."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.chance = Chance(lambda: self.now_s, lambda low, high: high)


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


def test_a_call_is_tried_until_it_is_taken(
    scripted_server: Any, hear: Callable[..., None], heard: Any
) -> None:
    cancelled = refused(grpc.StatusCode.CANCELLED)
    scripted_server.outcomes = [refused(UNAVAILABLE), refused(FULL, 1500), cancelled, spoken]

    hear(heard, scripted_server.address, REQUEST, {"chance": Time().chance})

    assert [chunk.audio for chunk in heard.chunks] == [b"sound"]
    assert heard.totals.samples == 1
    assert heard.delays == [0.1, 1.5 + 0.2, 0.4]  # the server has said when to come back
    assert len({call["x-request-id"] for call in scripted_server.calls}) == 1


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN]
)
def test_what_would_fail_again_is_not_tried_again(
    scripted_server: Any, hear: Callable[..., None], heard: Any, code: grpc.StatusCode
) -> None:
    scripted_server.outcomes = [refused(code)]

    with pytest.raises(CallError) as caught:
        hear(heard, scripted_server.address, REQUEST, {})

    assert caught.value.code == code
    assert caught.value.request_id == scripted_server.calls[0]["x-request-id"]
    assert not heard.delays


def test_what_was_heard_is_not_said_again(
    scripted_server: Any, hear: Callable[..., None], heard: Any
) -> None:
    scripted_server.outcomes = [cut_after_sound, spoken]

    with pytest.raises(CallError, match="gone"):
        hear(heard, scripted_server.address, REQUEST, {})

    assert len(heard.chunks) == len(scripted_server.calls) == 1


def test_attempts_are_bounded(scripted_server: Any, hear: Callable[..., None], heard: Any) -> None:
    scripted_server.outcomes = [refused(FULL, 10) for _ in range(9)]

    with pytest.raises(CallError) as caught:
        hear(heard, scripted_server.address, REQUEST, {"retries": RetryPolicy(attempts=3)})

    assert len(scripted_server.calls) == 3
    assert caught.value.retry_after_s == 0.01


def test_pieces_are_sent_again_from_the_first_one(
    scripted_server: Any, hear: Callable[..., None], heard: Any
) -> None:
    scripted_server.outcomes = [refused(UNAVAILABLE), spoken]

    hear(heard, scripted_server.address, iter(["One ", Flush(), "two."]), {})

    assert scripted_server.texts == [["One ", "flush", "two."]] * 2


def test_an_error_of_the_pieces_comes_after_what_was_sent(
    scripted_server: Any, hear: Callable[..., None], heard: Any
) -> None:
    def pieces() -> Iterator[str]:
        yield "One."
        raise OSError("the writer is gone")

    scripted_server.outcomes = [spoken]

    with pytest.raises(OSError, match="the writer is gone"):
        hear(heard, scripted_server.address, pieces(), {})

    assert scripted_server.texts == [["One."]]
    assert len(heard.chunks) == 1


def test_a_piece_that_no_message_can_hold_is_an_input_error(
    scripted_server: Any, hear: Callable[..., None], heard: Any
) -> None:
    scripted_server.outcomes = [spoken]

    with pytest.raises(InputError, match="can't be sent"):
        hear(heard, scripted_server.address, ["One.", "\ud800"], {})


def test_lists_of_voices_are_tried_again_too(scripted_server: Any) -> None:
    scripted_server.outcomes = [refused(UNAVAILABLE), spoken]
    delays: list[float] = []

    with SpeechClient(scripted_server.address, sleep=delays.append) as client:
        assert [voice.name for voice in client.voices()] == ["script"]

    assert len(delays) == 1


def failure(code: grpc.StatusCode = FULL, retry_after_s: float | None = None) -> CallError:
    return CallError("full", code, retry_after_s)


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(RetryPolicy(6, 0.5, 3.0, 100.0), Time().chance, None)

    assert [backoff.delay_after(failure()) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    with pytest.raises(CallError, match="full"):
        backoff.delay_after(failure())


def test_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    backoff = Backoff(RetryPolicy(), Chance(lambda: 0.0, uniform), None)

    assert backoff.delay_after(failure()) == 0.0
    assert asked == [(0, 0.1)]


def test_no_attempt_begins_after_the_total_time() -> None:
    time = Time()
    backoff = Backoff(RetryPolicy(total_s=5.0), time.chance, None)
    time.now_s = 4.95

    with pytest.raises(CallError):
        backoff.delay_after(failure())


@pytest.mark.parametrize("retry_after_s", [2.0, 3600.0])
def test_a_server_that_asks_for_longer_than_the_caller_has_is_not_waited_for(
    retry_after_s: float,
) -> None:
    backoff = Backoff(RetryPolicy(), Time().chance, timeout_s=2.0)

    with pytest.raises(CallError):
        backoff.delay_after(failure(retry_after_s=retry_after_s))


def test_the_callers_time_covers_all_attempts() -> None:
    time = Time()
    backoff = Backoff(RetryPolicy(), time.chance, timeout_s=2.0)
    time.now_s = 1.5

    assert backoff.remaining_s() == 0.5
    time.now_s = 2.5
    assert backoff.remaining_s() == 0.0


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"total_s": -1}, {"max_delay_s": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        RetryPolicy(**wrong)
