"""Errors as google.rpc statuses: the code says whose fault it is, the details what to change.

Every status has an ErrorInfo with a machine-readable `reason`; `status_message` adds the rest.
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

from dlpo.errors import DlpoError
from dlpo_serving.errors import (
    NotReadyError,
    OverloadError,
    QuotaError,
    RequestError,
    UnknownVoiceError,
    public_message,
    status_of,
)

DOMAIN = "dlpo"  # of google.rpc.ErrorInfo

Context = grpc.aio.ServicerContext[Any, Any]
Code = grpc.StatusCode
FieldPath = Callable[[str], str]
"""name of a `SpeechRequest` field -> its path in the request message of a service"""

_log = logging.getLogger(__name__)


class UndecodableError(DlpoError):
    """The bytes of a request can't be decoded as its type."""


def status_message(error: Exception, field_path: FieldPath = str) -> Status:
    """The status that reports an error to a caller; server faults reveal no internals."""
    if isinstance(error, UndecodableError):
        return _status(Code.INVALID_ARGUMENT, "UNDECODABLE", str(error))
    details: list[Message] = []
    match error:
        case RequestError():
            fields = [
                BadRequest.FieldViolation(field=field_path(v.field), description=v.message)
                for v in error.violations
            ]
            details.append(BadRequest(field_violations=fields))
        case UnknownVoiceError():
            kind = "dlpo.v1.Voice"
            details.append(ResourceInfo(resource_type=kind, resource_name=error.voice))
        case QuotaError():
            share = QuotaFailure.Violation(subject=f"key:{error.caller}", description=str(error))
            details.append(QuotaFailure(violations=[share]))
    if isinstance(error, QuotaError | OverloadError | NotReadyError):
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(round(1000 * error.retry_after_s))
        details.append(retry)
    known = status_of(error)
    return _status(getattr(Code, known.grpc), known.reason, public_message(error), *details)


async def abort(context: Context, error: Exception, field_path: FieldPath = str) -> NoReturn:
    """End a call with the status of an error, which is logged if it is a server fault.

    Raises:
        grpc.aio.AbortError: the call has ended.
        asyncio.CancelledError: the caller had already left.
    """
    if isinstance(error, grpc.aio.AbortError):  # the handler has ended the call
        raise error
    if context.done():  # the caller is gone; grpc reports that as an error in the pending write
        raise asyncio.CancelledError from error
    status = status_message(error, field_path)
    if status.code in (Code.INTERNAL.value[0], Code.UNIMPLEMENTED.value[0]):
        _log.error("internal error", exc_info=error)
    # gRPC keeps the error until the next garbage collection; don't keep its frames' variables too.
    error.__traceback__ = None
    wire = rpc_status.to_status(status)
    # Keep the metadata already set, such as the request id: aborting would replace it.
    trailing = (*context.trailing_metadata(), *wire.trailing_metadata)
    try:
        await context.abort(wire.code, wire.details, trailing)
    except grpc.aio.AbortError:
        raise
    except Exception as gone:  # the caller did not wait for the status
        raise asyncio.CancelledError from gone
    raise AssertionError("abort raises")


def _status(code: grpc.StatusCode, reason: str, message: str, *details: Message) -> Status:
    details = (*details, ErrorInfo(reason=reason, domain=DOMAIN))
    packed = [AnyMessage() for _ in details]
    for slot, detail in zip(packed, details, strict=True):
        slot.Pack(detail)
    return Status(code=code.value[0], message=message, details=packed)
