"""What a call that failed tells its caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from dlpo.errors import EngineError, InputError

_DETAILS = "grpc-status-details-bin"  # key of the trailing metadata that holds a google.rpc.Status
_CALLER_IS_WRONG = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
_HINTS = {
    grpc.StatusCode.UNAVAILABLE: "; is a server running there, and with the same TLS?",
    grpc.StatusCode.UNAUTHENTICATED: "; give a token that whoever runs the server has made",
    grpc.StatusCode.UNIMPLEMENTED: "; the server is older than this client, or not dlpo's",
}


class CallError(EngineError):
    """A server could not be reached, refused a call or failed."""

    def __init__(
        self,
        message: str,
        code: grpc.StatusCode,
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        """See the attributes."""
        super().__init__(message)
        self.code = code
        """why, in gRPC's terms"""
        self.retry_after_s = retry_after_s
        """when the server asks to be tried again, in seconds; None where it does not say"""
        self.request_id = request_id
        """the call's name in the server's log"""


def failure_of(address: str, request_id: str, error: grpc.RpcError) -> InputError | CallError:
    """The error of our own tree for one of gRPC's, sync or asyncio.

    Returns:
        InputError where a field of the request is wrong, else CallError.
    """
    code, details = error.code(), error.details()
    if _was_cut(error):
        code = grpc.StatusCode.UNAVAILABLE
    if code in _CALLER_IS_WRONG:
        return InputError(details)
    message = f"{address}: {code.name}: {details}{_HINTS.get(code, '')}"
    return CallError(message, code, _retry_after_s(error), request_id)


def cut_short(address: str, request_id: str) -> CallError:
    """The error of a stream that ended without its totals."""
    message = f"{address}: the stream was cut; try again"
    return CallError(message, grpc.StatusCode.DATA_LOSS, request_id=request_id)


def _was_cut(error: grpc.RpcError) -> bool:
    """Whether no status came, since a balancer has ended the stream of a server that it lost.

    gRPC makes one up then, UNKNOWN or CANCELLED; dlpo's own have metadata beside them.
    """
    made_up = error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)
    by_us = getattr(error, "cancelled", bool)()  # for asyncio that is no RpcError
    return made_up and not by_us and not error.trailing_metadata()


def _retry_after_s(error: grpc.RpcError) -> float | None:
    metadata = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    packed = dict(metadata).get(_DETAILS)
    if packed is None:
        return None
    info = RetryInfo()
    found = any(detail.Unpack(info) for detail in Status.FromString(packed).details)
    return info.retry_delay.ToMilliseconds() / 1000 if found else None
