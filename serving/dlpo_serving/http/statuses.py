"""Errors as OpenAI's API words them: an HTTP status and a JSON object that says what to change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web

from dlpo.errors import DlpoError, InputError, MissingExtraError
from dlpo_serving.errors import (
    DeadlineError,
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    StalledError,
    UnauthenticatedError,
    UnknownVoiceError,
    shortened,
)

INVALID, RATE_LIMIT, FAULT = "invalid_request_error", "rate_limit_error", "server_error"

_PARAMETERS = {  # field of a request inside the server -> of the JSON body, where they differ
    "text": "input",
    "encoding": "response_format",
    "sample_rate_hz": "sample_rate",
}


class UnknownModelError(DlpoError):
    """The server does not offer the model that a request names."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        super().__init__(f"model is {shortened(model)!r}; this server has {', '.join(known)}")


class BodyError(DlpoError):
    """The body of a request can't be taken, whatever it says."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The reply to a client whose request failed."""

    status: int
    """of HTTP"""
    message: str
    kind: str
    """`type` of OpenAI's error object"""
    code: str | None = None
    """for programs; None where the status says it all"""
    param: str | None = None
    """field of the JSON body that is wrong"""
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, dict[str, str | None]]:
        """OpenAI's error object."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    def response(self) -> web.Response:
        """The whole reply, for a request that has none yet."""
        return web.json_response(self.json(), status=self.status, headers=self.headers)


def reply_to(error: Exception) -> ErrorReply:
    """The reply for an error, without internals where the fault is ours."""
    message = str(error)
    match error:
        case RequestError():
            wrong = [(parameter(v.field), v.message) for v in error.violations]
            message = "; ".join(f"{name}: {what}" for name, what in wrong)
            return ErrorReply(400, message, INVALID, param=wrong[0][0])
        case InputError():
            return ErrorReply(400, message, INVALID)
        case BodyError():
            return ErrorReply(error.status, message, INVALID)
        case UnauthenticatedError():
            challenge = {"WWW-Authenticate": "Bearer"}
            return ErrorReply(401, message, INVALID, "invalid_api_key", headers=challenge)
        case UnknownVoiceError():
            return ErrorReply(404, message, INVALID, "voice_not_found", "voice")
        case UnknownModelError():
            return ErrorReply(404, message, INVALID, "model_not_found", "model")
        case OverloadError():
            headers = _retry_after(error.retry_after_s)
            return ErrorReply(429, message, RATE_LIMIT, "server_busy", headers=headers)
        case QuotaError():
            headers = _retry_after(error.retry_after_s)
            return ErrorReply(429, message, RATE_LIMIT, "rate_limit_exceeded", headers=headers)
        case NotReadyError():
            headers = _retry_after(error.retry_after_s)
            return ErrorReply(503, message, FAULT, "not_ready", headers=headers)
        case DeadlineError():
            return ErrorReply(504, message, FAULT, "deadline_exceeded")
        case StalledError():
            return ErrorReply(408, message, INVALID, "stalled")
        case MissingExtraError():
            missing = "this server lacks a package that the request needs; see its log"
            return ErrorReply(501, missing, FAULT)
        case web.HTTPRequestEntityTooLarge():
            return ErrorReply(413, error.text or message, INVALID, "request_too_large")
        case web.HTTPException():
            return ErrorReply(error.status, error.reason, INVALID, headers=_allow(error))
        case _:
            fault = "the server failed; its log has the cause"
            return ErrorReply(500, fault, FAULT, "internal_error")


def parameter(name: str) -> str:
    """Name of a request's field inside the server -> its name in the JSON body."""
    return _PARAMETERS.get(name, name)


def _retry_after(seconds: float) -> dict[str, str]:
    return {  # whole seconds are HTTP's; OpenAI's clients prefer the finer one
        "Retry-After": str(max(math.ceil(seconds), 1)),
        "retry-after-ms": str(max(round(1000 * seconds), 1)),
    }


def _allow(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
