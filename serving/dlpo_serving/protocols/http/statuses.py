"""Errors in OpenAI's format: an HTTP status and a JSON object that says what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web

from dlpo.errors import DlpoError, InputError
from dlpo_serving.errors import (
    INVALID,
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    UnauthenticatedError,
    UnknownVoiceError,
    public_message,
    shortened,
    status_of,
)

Names = Mapping[str, str]
"""internal request field, or OpenAI's -> an API's own name for it, where they differ"""
OWN: Names = {"encoding": "response_format", "sample_rate_hz": "sample_rate"}
OPENAI: Names = {"text": "input", **OWN}
FIELD_NAMES: web.RequestKey[Names] = web.RequestKey("field_names", Mapping)  # of a conversation
IN_OUTPUT_FORMAT = dict.fromkeys(
    ("encoding", "response_format", "sample_rate", "sample_rate_hz"), "output_format"
)


class UnknownModelError(DlpoError):
    """The server does not offer the model that a request names."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        super().__init__(f"model is {shortened(model)!r}; this server has {', '.join(known)}")


class BodyError(DlpoError):
    """A request is rejected as a whole, not because of one of its fields."""

    def __init__(self, message: str, status: int, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The reply to a client whose request failed."""

    status: int
    """HTTP status code"""
    message: str
    kind: str
    """`type` of OpenAI's error object"""
    code: str | None = None
    """for programs; None if the status says it all"""
    param: str | None = None
    """the offending field of the JSON body"""
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
        """The complete reply, for a request that has none yet."""
        return web.json_response(self.json(), status=self.status, headers=self.headers)


def reply_to(error: Exception, names: Names = OPENAI) -> ErrorReply:
    """The reply for an error; server faults reveal no internals."""
    known, message = status_of(error), public_message(error)
    reply = ErrorReply(known.http, message, known.kind, known.code)
    match error:
        case RequestError():
            wrong = [(names.get(v.field, v.field), v.message) for v in error.violations]
            message = "; ".join(f"{name}: {what}" for name, what in wrong)
            return replace(reply, message=message, param=wrong[0][0])
        case InputError():
            return ErrorReply(400, str(error), INVALID)
        case BodyError():
            return ErrorReply(error.status, str(error), INVALID, error.code)
        case UnknownModelError():
            return ErrorReply(404, str(error), INVALID, "model_not_found", "model")
        case UnauthenticatedError():
            return replace(reply, headers={"WWW-Authenticate": "Bearer"})
        case UnknownVoiceError():
            return replace(reply, param=names.get("voice", "voice"))
        case OverloadError() | QuotaError() | NotReadyError():
            rounded = math.ceil if isinstance(error, QuotaError) else math.floor
            headers = {  # HTTP has whole seconds only; OpenAI's clients prefer milliseconds
                "Retry-After": str(max(rounded(error.retry_after_s), 1)),
                "retry-after-ms": str(max(round(1000 * error.retry_after_s), 1)),
            }
            return replace(reply, headers=headers)
        case web.HTTPRequestEntityTooLarge():
            what = f"{(error.text or str(error)).rstrip('.')}; send less at a time"
            return ErrorReply(413, what, INVALID, "request_too_large")
        case web.HTTPException():
            allowed = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            return ErrorReply(error.status, error.reason, INVALID, headers=allowed)
    return reply
