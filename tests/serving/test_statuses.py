"""Every error is a status that says whose fault it is and what to do."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    QuotaFailure,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

from dlpo.errors import BundleError, EngineError, MissingExtraError
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
from dlpo_serving.rpc.statuses import UndecodableError, status_of

Code = grpc.StatusCode


def detail(status: Status, kind: Any) -> Any:
    """The one detail of this kind."""
    (packed,) = (d for d in status.details if d.Is(kind.DESCRIPTOR))
    found = kind()
    assert packed.Unpack(found)
    return found


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (RequestError(FieldViolation("speed", "is 9")), Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (UndecodableError("bytes"), Code.INVALID_ARGUMENT, "UNDECODABLE"),
        (UnknownVoiceError("eve", ["lj"]), Code.NOT_FOUND, "UNKNOWN_VOICE"),
        (UnauthenticatedError("no token"), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (QuotaError("used up", "alice", 2.5), Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
        (OverloadError("full", 0.25), Code.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (NotReadyError("warming"), Code.UNAVAILABLE, "NOT_READY"),
        (DeadlineError("30 ms"), Code.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT"),
        (StalledError("asleep"), Code.ABORTED, "STALLED"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_refusals_tell_the_caller(error: Exception, code: grpc.StatusCode, reason: str) -> None:
    status = status_of(error)

    assert (status.code, status.message) == (code.value[0], str(error))
    info = detail(status, ErrorInfo)
    assert (info.reason, info.domain) == (reason, "dlpo")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("/opt/secret/path.onnx"), Code.INTERNAL),
        (BundleError("/opt/secret/path.onnx"), Code.INTERNAL),
        (ZeroDivisionError("/opt/secret/path.onnx"), Code.INTERNAL),
        (MissingExtraError("/opt/secret", "serve"), Code.UNIMPLEMENTED),
    ],
)
def test_our_own_faults_tell_nothing_of_the_inside(error: Exception, code: grpc.StatusCode) -> None:
    status = status_of(error)

    assert status.code == code.value[0]
    assert "secret" not in str(status)


def test_every_wrong_field_is_named_in_the_words_of_the_service() -> None:
    error = RequestError(FieldViolation("speed", "is 9"), FieldViolation("text", "is empty"))

    bad = detail(status_of(error, lambda name: f"wire.{name}"), BadRequest)

    fields = [(v.field, v.description) for v in bad.field_violations]
    assert fields == [("wire.speed", "is 9"), ("wire.text", "is empty")]


def test_who_should_come_back_is_told_when() -> None:
    for error in (OverloadError("full", 0.25), QuotaError("used up", "alice", 0.25)):
        assert detail(status_of(error), RetryInfo).retry_delay.ToMilliseconds() == 250
    assert detail(status_of(NotReadyError("warming")), RetryInfo).retry_delay.seconds == 1


def test_a_quota_names_whose_it_is_and_a_voice_its_name() -> None:
    quota = detail(status_of(QuotaError("used up", "alice", 2.5)), QuotaFailure)
    voice = detail(status_of(UnknownVoiceError("eve", ["lj"])), ResourceInfo)

    assert [violation.subject for violation in quota.violations] == ["key:alice"]
    assert voice.resource_name == "eve"
