"""Errors as google.rpc statuses: the code says whose fault it is, the details what to change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dlpo.errors import DlpoError
from dlpo_serving.refusals import NotReadyError, OverloadError, UnknownVoiceError
from dlpo_serving.request import RequestError

DOMAIN = "dlpo"  # of google.rpc.ErrorInfo

Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger(__name__)


class UndecodableError(DlpoError):
    """The bytes of a request are no message of its type."""


def status_of(error: Exception) -> Status:
    """The status that tells a caller about an error, without internals where it is our fault."""
    match error:
        case RequestError():
            fields = [
                BadRequest.FieldViolation(field=_path(v.field), description=v.message)
                for v in error.violations
            ]
            return _status(
                grpc.StatusCode.INVALID_ARGUMENT, error, BadRequest(field_violations=fields)
            )
        case UndecodableError():
            return _status(grpc.StatusCode.INVALID_ARGUMENT, error)
        case UnknownVoiceError():
            resource = ResourceInfo(resource_type="dlpo.v1.Voice", resource_name=error.voice)
            return _status(grpc.StatusCode.NOT_FOUND, error, resource)
        case OverloadError():
            return _status(
                grpc.StatusCode.RESOURCE_EXHAUSTED, error, _retry_info(error.retry_after_s)
            )
        case NotReadyError():
            return _status(grpc.StatusCode.UNAVAILABLE, error, _retry_info(error.retry_after_s))
        case _:
            fault = DlpoError("the server failed; its log has the cause")
            info = ErrorInfo(reason=type(error).__name__, domain=DOMAIN)
            return _status(grpc.StatusCode.INTERNAL, fault, info)


@asynccontextmanager
async def errors_as_status(context: Context) -> AsyncIterator[None]:
    """End the call with `status_of` whatever is raised inside; log it where it is our own fault."""
    try:
        yield
    # The boundary of the process: whatever went wrong, the caller must get a status of ours.
    except Exception as error:
        if context.done():  # the caller is gone; grpc reports that as an error of the pending write
            raise asyncio.CancelledError from error
        status = status_of(error)
        if status.code == grpc.StatusCode.INTERNAL.value[0]:
            _log.exception("internal error")
        await context.abort_with_status(rpc_status.to_status(status))


def _status(code: grpc.StatusCode, error: Exception, *details: Message) -> Status:
    packed = [AnyMessage() for _ in details]
    for slot, detail in zip(packed, details, strict=True):
        slot.Pack(detail)
    return Status(code=code.value[0], message=str(error), details=packed)


def _retry_info(delay_s: float) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(round(1000 * delay_s))
    return info


def _path(field: str) -> str:
    """Name of a `SpeechRequest` field -> path of the field in the request message."""
    return field if field == "text" else f"config.{field}"
