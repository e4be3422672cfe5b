"""Every error is a status, over gRPC and over HTTP, that says whose fault it is and what to do."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from aiohttp import web
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from dlpo.errors import BundleError, EngineError, InputError, MissingExtraError
from dlpo_serving import errors
from dlpo_serving.protocols.http.statuses import BodyError, UnknownModelError, reply_to
from dlpo_serving.rpc.statuses import status_message

Code = grpc.StatusCode
SECRET = "/opt/secret/path.onnx"
SPEED = errors.FieldViolation("speed", "is 9")
UNKNOWN = errors.UnknownVoiceError("eve", ["lj"])
NO_TOKEN = errors.UnauthenticatedError("no token")
QUOTA = errors.QuotaError("used up", "alice", 2.5)
FULL = errors.OverloadError("full", 0.25)
LATE = errors.DeadlineError("30 ms")


def detail(status: Status, kind: Any) -> Any:
    """The one detail of this kind."""
    (packed,) = (d for d in status.details if d.Is(kind.DESCRIPTOR))
    found = kind()
    assert packed.Unpack(found)
    return found


@pytest.mark.parametrize(
    ("error", "code", "reason", "http", "http_code"),
    [
        (errors.RequestError(SPEED), "INVALID_ARGUMENT", "INVALID_REQUEST", 400, None),
        (UNKNOWN, "NOT_FOUND", "UNKNOWN_VOICE", 404, "voice_not_found"),
        (NO_TOKEN, "UNAUTHENTICATED", "UNAUTHENTICATED", 401, "invalid_api_key"),
        (QUOTA, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", 429, "rate_limit_exceeded"),
        (FULL, "RESOURCE_EXHAUSTED", "OVERLOADED", 429, "server_busy"),
        (errors.NotReadyError("warming"), "UNAVAILABLE", "NOT_READY", 503, "not_ready"),
        (LATE, "DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT", 504, "deadline_exceeded"),
        (errors.StalledError("asleep"), "ABORTED", "STALLED", 408, "stalled"),
        (MissingExtraError(SECRET, "serve"), "UNIMPLEMENTED", "MISSING_PACKAGE", 501, None),
        *(
            (kind(SECRET), "INTERNAL", "INTERNAL", 500, "internal_error")
            for kind in (EngineError, BundleError, ZeroDivisionError)
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_map_to_statuses_and_hide_internals(
    error: Exception, code: str, reason: str, http: int, http_code: str | None
) -> None:
    status, reply = status_message(error), reply_to(error)
    info = detail(status, ErrorInfo)
    assert (status.code, info.reason, info.domain) == (Code[code].value[0], reason, "dlpo")
    assert (reply.status, reply.code) == (http, http_code)
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert (reply.headers.get("WWW-Authenticate") == "Bearer") == (http == 401)
    assert "secret" not in f"{status} {reply}"
    if http < 500 or http in (503, 504):
        assert str(error) == status.message == reply.message


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InputError("no"), 400, None),
        (BodyError("no JSON", 415), 415, None),
        (UnknownModelError("x", ["dlpo"]), 404, "model_not_found"),
        (web.HTTPRequestEntityTooLarge(10, 20), 413, "request_too_large"),
        (web.HTTPNotFound(), 404, None),
    ],
)
def test_errors_of_http_alone(error: Exception, status: int, code: str | None) -> None:
    assert (reply_to(error).status, reply_to(error).code) == (status, code)


def test_every_wrong_field_has_its_protocols_name() -> None:
    rate = errors.FieldViolation("sample_rate_hz", "is 3")
    error = errors.RequestError(errors.FieldViolation("text", "is empty"), rate, SPEED)
    bad = detail(status_message(error, lambda name: f"wire.{name}"), BadRequest)
    assert [v.field for v in bad.field_violations] == [
        "wire.text", "wire.sample_rate_hz", "wire.speed",
    ]  # fmt: skip
    assert bad.field_violations[0].description == "is empty"
    reply = reply_to(error)
    assert reply.param == "input"
    assert reply.message == "input: is empty; sample_rate: is 3; speed: is 9"


@pytest.mark.parametrize(
    ("seconds", "full", "used_up"), [(0.02, "1", "1"), (1.0, "1", "1"), (7.2, "7", "8")]
)
def test_retryable_errors_carry_a_retry_time(seconds: float, full: str, used_up: str) -> None:
    """A full server's is no longer than what it predicts, a quota's no shorter."""
    for error, header in (
        (errors.OverloadError("full", seconds), full),
        (errors.QuotaError("used up", "alice", seconds), used_up),
    ):
        retry = detail(status_message(error), RetryInfo).retry_delay
        headers = reply_to(error).headers
        assert retry.ToMilliseconds() == round(1000 * seconds) == int(headers["retry-after-ms"])
        assert headers["Retry-After"] == header
    warming = status_message(errors.NotReadyError("warming"))
    assert detail(warming, RetryInfo).retry_delay.seconds == 1
