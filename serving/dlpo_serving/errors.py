"""Reasons for rejecting a call; gRPC and HTTP translate them into their own statuses.

DlpoError
├── InputError
│   └── RequestError        a field is invalid
└── CallRejectedError
    ├── UnknownVoiceError   the server does not have this voice
    ├── NotReadyError       it is warming up
    │   └── ShuttingDownError
    ├── OverloadError       it is at capacity
    │   ├── PeerShareError  this caller has used all of its share
    │   └── DisplacedError  an idle call lost its slot to another
    ├── QuotaError          this caller has used its quota
    ├── UnauthenticatedError  the token is missing or unknown
    ├── DeadlineError       no audio is possible within the caller's deadline
    └── StalledError        the caller stopped reading or writing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlpo.errors import DlpoError, InputError, MissingExtraError

QUOTED = 60  # characters of a caller's value in a message: gRPC trailers hold only 8 kB
MAX_MESSAGE = 600  # characters of a message about one field, in case a value was quoted whole
LISTED = 20  # voices named in a message
INVALID = "invalid_request_error"
RATE_LIMIT = "rate_limit_error"
FAULT = "server_error"


def shortened(value: str) -> str:
    """Truncate a caller's value for use in a message."""
    return value if len(value) <= QUOTED else f"{value[: QUOTED - 3]}..."


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """An invalid field, and why it is invalid."""

    field: str
    """name of the field of `SpeechRequest`"""
    message: str
    """what was given and what was expected"""

    def __post_init__(self) -> None:
        """Bound both, whatever a caller's value has put into them: keep either end."""
        object.__setattr__(self, "field", shortened(self.field))
        if len(whole := self.message) > MAX_MESSAGE:
            half = MAX_MESSAGE // 2
            object.__setattr__(self, "message", f"{whole[:half]} [...] {whole[-half:]}")


class RequestError(InputError):
    """Fields of a request are invalid; the message names each of them."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))
        self.violations = violations


def wrong_value(name: str, value: object, expected: str) -> RequestError:
    """The error of a field whose value is not what was expected."""
    given = "absent" if value is None else shortened(repr(value))
    return RequestError(FieldViolation(name, f"is {given}; expected {expected}"))


@dataclass(frozen=True, slots=True)
class Status:
    """How a kind of error is reported to callers."""

    grpc: str
    """code, such as NOT_FOUND"""
    reason: str
    """`reason` of google.rpc.ErrorInfo, for programs"""
    http: int
    kind: str
    """`type` of OpenAI's error object"""
    code: str | None = None
    """its `code`, for programs; None if the status says it all"""


INTERNAL = Status("INTERNAL", "INTERNAL", 500, FAULT, "internal_error")


def status_of(error: Exception) -> Status:
    """The status of an error; one without a status is a server fault."""
    match error:
        case RequestError():
            return Status("INVALID_ARGUMENT", "INVALID_REQUEST", 400, INVALID)
        case CallRejectedError():
            return error.status
        case MissingExtraError():
            return Status("UNIMPLEMENTED", "MISSING_PACKAGE", 501, FAULT)
    return INTERNAL


def public_message(error: Exception) -> str:
    """The message for the caller, without internals if the fault is ours."""
    match status_of(error).http:
        case 500:
            return "the server failed; its log has the cause"
        case 501:
            return "this server lacks a package that the call needs; see its log"
    return str(error)


class CallRejectedError(DlpoError):
    """A call that is not served, or not to completion."""

    reason = "other"
    """label in the metrics"""
    status: Status


class UnknownVoiceError(CallRejectedError):
    """The server does not have the voice that a request names."""

    status = Status("NOT_FOUND", "UNKNOWN_VOICE", 404, INVALID, "voice_not_found")

    def __init__(self, voice: str, known: Sequence[str]) -> None:
        self.voice = shortened(voice)
        more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
        offered = ", ".join(known[:LISTED])
        super().__init__(f"voice is {self.voice!r}; this server has {offered}{more}")


class NotReadyError(CallRejectedError):
    """The server is warming up or shutting down."""

    reason = "draining"
    status = Status("UNAVAILABLE", "NOT_READY", 503, FAULT, "not_ready")
    retry_after_s = 1.0


class ShuttingDownError(NotReadyError):
    """The server is shutting down; also said to connections on which nothing is spoken."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down; try another one, or again later")


class OverloadError(CallRejectedError):
    """The server is already speaking for as many callers as it can."""

    reason = "backlog"
    status = Status("RESOURCE_EXHAUSTED", "OVERLOADED", 429, RATE_LIMIT, "server_busy")

    def __init__(self, message: str, retry_after_s: float) -> None:
        """`retry_after_s`: when a new call is likely to be accepted."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PeerShareError(OverloadError):
    """The caller already has the largest share one caller may have; others still find room."""


class DisplacedError(OverloadError):
    """The call was waiting for text, and another one needed its slot."""

    reason = "streams"

    def __init__(self) -> None:
        message = "idle call dropped to free a slot; retry when you have text"
        super().__init__(message, 0.1)


class QuotaError(CallRejectedError):
    """A caller has used up its quota."""

    reason = "quota"
    status = Status("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", 429, RATE_LIMIT, "rate_limit_exceeded")

    def __init__(self, message: str, caller: str, retry_after_s: float) -> None:
        """`caller`: name of the key; `retry_after_s`: when the quota allows this call."""
        super().__init__(message)
        self.caller = caller
        self.retry_after_s = retry_after_s


class UnauthenticatedError(CallRejectedError):
    """A call without a token, or with an unknown one."""

    status = Status("UNAUTHENTICATED", "UNAUTHENTICATED", 401, INVALID, "invalid_api_key")


class DeadlineError(CallRejectedError):
    """No audio is possible within the caller's deadline."""

    reason = "deadline"
    status = Status("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT", 504, FAULT, "deadline_exceeded")


class StalledError(CallRejectedError):
    """The caller has stopped reading audio or sending text for too long and lost its slot."""

    reason = "stalled"
    status = Status("ABORTED", "STALLED", 408, INVALID, "stalled")
