"""When a call is tried again: exponential backoff with full jitter, later where a server asks so.

Reference: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from dlpo.errors import InputError
from dlpo_serving.client.errors import CallError

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

    def delay_after(self, failure: Exception) -> float:
        """Seconds to wait before the next attempt.

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
        return delay

    def _elapsed_s(self) -> float:
        return self._chance.clock() - self._start
