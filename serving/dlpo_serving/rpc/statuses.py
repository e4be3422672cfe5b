"""Errors as google.rpc statuses: the code says whose fault it is, the details what to change.

Every status has an ErrorInfo with a `reason` for programs; other details are in `status_of`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    QuotaFailure,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dlpo.errors import DlpoError, MissingExtraError
from dlpo_serving.errors import (
    DeadlineError,
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    StalledError,
    UnauthenticatedError,
    UnknownVoiceError,
)

DOMAIN = "dlpo"  # of google.rpc.ErrorInfo

Context = grpc.aio.ServicerContext[Any, Any]
Code = grpc.StatusCode
FieldPath = Callable[[str], str]
"""name of a field of `SpeechRequest` -> its path in the request message of a service"""

_log = logging.getLogger(__name__)


class UndecodableError(DlpoError):
    """The bytes of a request are no message of its type."""


def status_of(error: Exception, field_path: FieldPath = str) -> Status:
    """The status that tells a caller about an error, without internals where it is our fault."""
    match error:
        case RequestError():
            fields = [
                BadRequest.FieldViolation(field=field_path(v.field), description=v.message)
                for v in error.violations
            ]
            bad = BadRequest(field_violations=fields)
            return _status(Code.INVALID_ARGUMENT, "INVALID_REQUEST", error, bad)
        case UndecodableError():
            return _status(Code.INVALID_ARGUMENT, "UNDECODABLE", error)
        case UnknownVoiceError():
            voice = ResourceInfo(resource_type="dlpo.v1.Voice", resource_name=error.voice)
            return _status(Code.NOT_FOUND, "UNKNOWN_VOICE", error, voice)
        case UnauthenticatedError():
            return _status(Code.UNAUTHENTICATED, "UNAUTHENTICATED", error)
        case QuotaError():
            share = QuotaFailure.Violation(subject=f"key:{error.caller}", description=str(error))
            quota = QuotaFailure(violations=[share])
            retry = _retry_info(error.retry_after_s)
            return _status(Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", error, quota, retry)
        case OverloadError():
            retry = _retry_info(error.retry_after_s)
            return _status(Code.RESOURCE_EXHAUSTED, "OVERLOADED", error, retry)
        case NotReadyError():
            retry = _retry_info(error.retry_after_s)
            return _status(Code.UNAVAILABLE, "NOT_READY", error, retry)
        case DeadlineError():
            return _status(Code.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT", error)
        case StalledError():
            return _status(Code.ABORTED, "STALLED", error)
        case MissingExtraError():
            missing = DlpoError("this server lacks a package that the call needs; see its log")
            return _status(Code.UNIMPLEMENTED, "MISSING_PACKAGE", missing)
        case _:
            fault = DlpoError("the server failed; its log has the cause")
            return _status(Code.INTERNAL, "INTERNAL", fault)


async def abort(context: Context, error: Exception, field_path: FieldPath = str) -> NoReturn:
    """End a call with `status_of` an error, which is logged where the fault is ours.

    Raises:
        grpc.aio.AbortError: the call has ended.
        asyncio.CancelledError: the caller left before.
    """
    if isinstance(error, grpc.aio.AbortError):  # the handler has ended the call
        raise error
    if context.done():  # the caller is gone; grpc reports that as an error of the pending write
        raise asyncio.CancelledError from error
    status = status_of(error, field_path)
    if status.code in (Code.INTERNAL.value[0], Code.UNIMPLEMENTED.value[0]):
        _log.error("internal error", exc_info=error)
    wire = rpc_status.to_status(status)
    # With the metadata that is set already, such as the request's id: aborting would replace it.
    trailing = (*context.trailing_metadata(), *wire.trailing_metadata)
    try:
        await context.abort(wire.code, wire.details, trailing)
    except grpc.aio.AbortError:
        raise
    except Exception as gone:  # the caller has not waited for the status
        raise asyncio.CancelledError from gone
    raise AssertionError("abort raises")


def _status(code: grpc.StatusCode, reason: str, error: Exception, *details: Message) -> Status:
    details = (*details, ErrorInfo(reason=reason, domain=DOMAIN))
    packed = [AnyMessage() for _ in details]
    for slot, detail in zip(packed, details, strict=True):
        slot.Pack(detail)
    return Status(code=code.value[0], message=str(error), details=packed)


def _retry_info(delay_s: float) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(round(1000 * delay_s))
    return info
