from __future__ import annotations

import pytest
from aiohttp import web

from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo_serving.errors import (
    DeadlineError,
    FieldViolation,
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    StalledError,
    UnauthenticatedError,
    UnknownVoiceError,
)
from dlpo_serving.http.statuses import BodyError, UnknownModelError, reply_to


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RequestError(FieldViolation("speed", "is 9")), 400, None),
        (InputError("no"), 400, None),
        (BodyError("no JSON", 415), 415, None),
        (UnauthenticatedError("no token"), 401, "invalid_api_key"),
        (UnknownVoiceError("x", ["lj"]), 404, "voice_not_found"),
        (UnknownModelError("x", ["dlpo"]), 404, "model_not_found"),
        (OverloadError("full", 0.3), 429, "server_busy"),
        (QuotaError("used up", "alice", 7.2), 429, "rate_limit_exceeded"),
        (NotReadyError("warming up"), 503, "not_ready"),
        (DeadlineError("too late"), 504, "deadline_exceeded"),
        (StalledError("asleep"), 408, "stalled"),
        (web.HTTPRequestEntityTooLarge(10, 20), 413, "request_too_large"),
        (web.HTTPNotFound(), 404, None),
        (MissingExtraError("soxr", "serve"), 501, None),
        (EngineError("CUDA says 0xdead"), 500, "internal_error"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_has_its_status_and_code(
    error: Exception, status: int, code: str | None
) -> None:
    reply = reply_to(error)

    assert (reply.status, reply.code) == (status, code)
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_fields_have_the_names_of_the_json_body() -> None:
    error = RequestError(
        FieldViolation("text", "is empty"),
        FieldViolation("sample_rate_hz", "is 3"),
        FieldViolation("speed", "is 9"),
    )

    reply = reply_to(error)

    assert reply.param == "input"
    assert reply.message == "input: is empty; sample_rate: is 3; speed: is 9"


@pytest.mark.parametrize(("seconds", "header"), [(0.02, "1"), (1.0, "1"), (7.2, "8")])
def test_refusals_say_when_to_come_back_in_whole_seconds(seconds: float, header: str) -> None:
    reply = reply_to(OverloadError("full", seconds))

    assert reply.headers["Retry-After"] == header
    assert reply.headers["retry-after-ms"] == str(round(1000 * seconds))
