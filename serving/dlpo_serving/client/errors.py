"""Errors of failed calls, and the retry policy."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import cast

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from dlpo.errors import EngineError, InputError

_DETAILS = "grpc-status-details-bin"  # trailing metadata key of the google.rpc.Status
_CALLER_IS_WRONG = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
_HINTS = {
    grpc.StatusCode.UNAVAILABLE: "; is a server running there, and with the same TLS?",
    grpc.StatusCode.UNAUTHENTICATED: "; pass an API key of this server (--token, or token=)",
    grpc.StatusCode.UNIMPLEMENTED: "; the server is older than this client, or not dlpo's",
}
_OF_GRPC = re.compile(  # what it says before the reason
    r"connections to all backends failing; last error: \w+: \S+: (Failed to connect to \w+ host: )?"
)
RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,  # by the server before a handler ran; our own carries no status
)


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
        """gRPC status code"""
        self.retry_after_s = retry_after_s
        """retry delay the server asks for, in seconds; None if it does not give one"""
        self.request_id = request_id
        """identifies the call in the server's log"""


def failure_of(address: str, request_id: str, error: grpc.RpcError) -> InputError | CallError:
    """Translate a gRPC error, sync or asyncio, to one of ours.

    Returns:
        InputError if a field of the request is invalid, else CallError.
    """
    code, details = error.code(), error.details()
    if _was_cut(error):
        code = grpc.StatusCode.UNAVAILABLE
    if code in _CALLER_IS_WRONG:
        return InputError(details)
    reason = _OF_GRPC.sub("", details or "")
    message = f"{address}: {code.name}: {reason}{_HINTS.get(code, '')}"
    return CallError(message, code, retry_after_s(error), request_id)


def cut_short(address: str, request_id: str) -> CallError:
    """The error for a stream that ended without its totals."""
    message = f"{address}: the stream was cut; try again"
    return CallError(message, grpc.StatusCode.DATA_LOSS, request_id=request_id)


def _was_cut(error: grpc.RpcError) -> bool:
    """Whether no status arrived because a load balancer cut the stream after losing the server.

    gRPC then makes up UNKNOWN or CANCELLED; statuses that dlpo sends always carry metadata.
    """
    made_up = error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)
    by_us = getattr(error, "cancelled", bool)()  # in asyncio, that would not be an RpcError
    return made_up and not by_us and not error.trailing_metadata()


def retry_after_s(error: grpc.RpcError) -> float | None:
    """The retry delay in the status's RetryInfo, in seconds; None if it has none."""
    metadata = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    packed = dict(metadata).get(_DETAILS)
    if packed is None:
        return None
    info = RetryInfo()
    found = any(detail.Unpack(info) for detail in Status.FromString(packed).details)
    return info.retry_delay.ToMilliseconds() / 1000 if found else None


# Retries: exponential backoff with full jitter, on top of any delay that the server asks for.
#
# Reference: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long to try a call; `RetryPolicy(attempts=1)` disables retries."""

    attempts: int = 4
    """total calls, including the first"""
    first_delay_s: float = 0.1
    """longest random delay before the second attempt; doubles with each further attempt"""
    max_delay_s: float = 5.0
    """longest random delay before any attempt"""
    total_s: float = 20.0
    """no attempt starts later than this after the first"""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}; expected 1 or more")
        for name in ("first_delay_s", "max_delay_s", "total_s"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}; expected 0 or more seconds")


@dataclass(frozen=True, slots=True)
class Chance:
    """Clock, randomness and sleep used for retries; tests substitute their own."""

    clock: Callable[[], float] = time.monotonic
    """seconds"""
    uniform: Callable[[float, float], float] = random.uniform
    """a random number between two bounds"""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """waits for that many seconds"""


class Backoff:
    """The attempts of one call."""

    def __init__(self, policy: RetryPolicy, chance: Chance, timeout_s: float | None) -> None:
        """`timeout_s`: limit for all attempts together; None means no limit."""
        self._policy = policy
        self._chance = chance
        self._timeout_s = timeout_s
        self._start = chance.clock()
        self._failures = 0

    def remaining_s(self) -> float | None:
        """Time left of the call's timeout; None if it has none."""
        if self._timeout_s is None:
            return None
        return max(0.0, self._timeout_s - self._elapsed_s())

    async def wait_after(self, failure: Exception) -> None:
        """Wait until the next attempt may start.

        Raises:
            Exception: `failure` itself, if the call is not to be retried.
        """
        self._failures += 1
        if (
            not isinstance(failure, CallError)
            or failure.code not in RETRIED
            or self._failures >= self._policy.attempts
        ):
            raise failure
        longest = self._policy.first_delay_s * 2.0 ** (self._failures - 1)
        jitter = self._chance.uniform(0, min(longest, self._policy.max_delay_s))
        delay = (failure.retry_after_s or 0) + jitter
        limit = self._policy.total_s
        if self._timeout_s is not None:
            limit = min(limit, self._timeout_s)
        if self._elapsed_s() + delay > limit:
            raise failure
        await self._chance.sleep(delay)

    def _elapsed_s(self) -> float:
        return self._chance.clock() - self._start
