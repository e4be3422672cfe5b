"""Admits callers within their quotas of streams, characters and audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dlpo_serving.errors import QuotaError, UnauthenticatedError
from dlpo_serving.operations.files import Clock
from dlpo_serving.operations.keys import Quota

STREAM_RETRY_S = 1.0  # a guess: nobody knows when one of the caller's streams will end


@dataclass(slots=True)
class TokenBucket:
    """An allowance that refills over a minute; if overdrawn, it has to recover first."""

    level: float
    """available units; negative while overdrawn"""
    filled_s: float
    """time of that level"""


class Quotas:
    """Admits callers within their quotas. For one thread at a time."""

    def __init__(self, quota: Callable[[str], Quota | None], clock: Clock) -> None:
        """
        Args:
            quota: caller -> its current quota, or None for nothing, such as `KeyRing.quota`.
            clock: seconds.
        """
        self._quota = quota
        self._clock = clock
        self._streams: Counter[str] = Counter()
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def check(self, caller: str, characters: int = 1) -> None:
        """Raise what `hold` would, and charge nothing."""
        quota = self._current(caller)
        for what, per_minute, needed in (
            ("seconds of audio", quota.audio_s_per_minute, 0),
            ("characters", quota.characters_per_minute, characters),
        ):
            if per_minute is not None:
                self._check(caller, what, per_minute, min(needed, per_minute))
        limit = quota.max_streams
        if limit is not None and self._streams[caller] >= limit:
            message = f"all {limit} streams of {caller!r} are taken; end one, or try again shortly"
            raise QuotaError(message, caller, STREAM_RETRY_S)

    @contextmanager
    def hold(self, caller: str, characters: int) -> Iterator[None]:
        """Hold one of the caller's streams for the block, and charge its first text's characters.

        Raises:
            QuotaError: one of the caller's quotas is used up.
            UnauthenticatedError: the caller has no key any more.
        """
        self.check(caller, characters)
        self._streams[caller] += 1
        try:
            self.take_characters(caller, characters)
            yield
        finally:
            self._streams -= Counter([caller])  # which also drops counts of 0

    def take_characters(self, caller: str, count: int) -> None:
        """Charge the characters of a text, or of a piece of one, before it is processed.

        More than a minute's worth is admitted when the allowance is full, and overdraws it.

        Raises:
            QuotaError: the allowance is not sufficient yet; nothing is charged.
        """
        per_minute = self._current(caller).characters_per_minute
        if per_minute is not None:
            needed = min(count, per_minute)
            self._check(caller, "characters", per_minute, needed).level -= count

    def take_audio(self, caller: str, audio_s: float) -> None:
        """Charge generated audio; its length was not known in advance, so this may overdraw."""
        quota = self._quota(caller)  # None: what is being spoken was admitted before
        if quota and (per_minute := quota.audio_s_per_minute) is not None:
            self._filled(caller, "seconds of audio", per_minute).level -= audio_s

    def _current(self, caller: str) -> Quota:
        if (quota := self._quota(caller)) is None:
            raise UnauthenticatedError("the key of this call has been deleted; use another one")
        return quota

    def _check(self, caller: str, what: str, per_minute: float, needed: float) -> TokenBucket:
        bucket = self._filled(caller, what, per_minute)
        missing = needed - bucket.level
        if missing > 0:
            wait_s = missing * 60 / per_minute
            message = (
                f"{caller!r} has used its {per_minute:g} {what} a minute;"
                f" try again in {wait_s:.1f} s"
            )
            raise QuotaError(message, caller, wait_s)
        return bucket

    def _filled(self, caller: str, what: str, per_minute: float) -> TokenBucket:
        now_s = self._clock()
        bucket = self._buckets.setdefault((caller, what), TokenBucket(per_minute, now_s))
        grown = bucket.level + per_minute / 60 * (now_s - bucket.filled_s)
        bucket.level, bucket.filled_s = min(grown, per_minute), now_s  # a minute's worth at most
        return bucket
