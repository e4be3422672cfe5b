"""What a call that failed tells its caller, and when it is tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
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
    return CallError(message, code, retry_after_s(error), request_id)


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


def retry_after_s(error: grpc.RpcError) -> float | None:
    """The delay of the status's RetryInfo, s; None where it has none."""
    metadata = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    packed = dict(metadata).get(_DETAILS)
    if packed is None:
        return None
    info = RetryInfo()
    found = any(detail.Unpack(info) for detail in Status.FromString(packed).details)
    return info.retry_delay.ToMilliseconds() / 1000 if found else None


# When a call is tried again: exponential backoff with full jitter, later where a server asks so.
#
# Reference: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.


RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,  # by the server, before a handler ran: the client's own is no status
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a call is tried; `RetryPolicy(attempts=1)` never tries again."""

    attempts: int = 4
    """calls in all, the first one included"""
    first_delay_s: float = 0.1
    """longest random delay before the second attempt; it doubles with each further one"""
    max_delay_s: float = 5.0
    """where the doubling ends"""
    total_s: float = 20.0
    """no attempt begins later than this after the first one"""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}; expected 1 or more")
        for name in ("first_delay_s", "max_delay_s", "total_s"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}; expected 0 or more seconds")


@dataclass(frozen=True, slots=True)
class Chance:
    """What the waiting of a client depends on beside the policy; a test has its own."""

    clock: Callable[[], float] = time.monotonic
    """seconds"""
    uniform: Callable[[float, float], float] = random.uniform
    """a random number between two others"""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """waits for seconds"""


class Backoff:
    """The attempts of one call."""

    def __init__(self, policy: RetryPolicy, chance: Chance, timeout_s: float | None) -> None:
        """`timeout_s`: what all attempts together may take; None is no limit."""
        self._policy = policy
        self._chance = chance
        self._timeout_s = timeout_s
        self._start = chance.clock()
        self._failures = 0

    def remaining_s(self) -> float | None:
        """What is left of the call's own time limit; None where it has none."""
        if self._timeout_s is None:
            return None
        return max(0.0, self._timeout_s - self._elapsed_s())

    async def wait_after(self, failure: Exception) -> None:
        """Wait until the next attempt may begin.

        Raises:
            Exception: `failure` itself, where there is to be none.
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
