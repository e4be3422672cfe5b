"""Each caller's share: streams at once, characters and seconds of audio a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dlpo_serving.errors import QuotaError
from dlpo_serving.operations.files import Clock
from dlpo_serving.operations.keys import Quota

STREAM_RETRY_S = 1.0  # nobody knows when a stream of the same caller ends


@dataclass(slots=True)
class TokenBucket:
    """An allowance that fills over a minute; it may be overdrawn, and then fills up first."""

    level: float
    """units that may be taken; below 0 while overdrawn"""
    filled_s: float
    """when that was"""

    def fill(self, per_minute: float, now_s: float) -> None:
        """Add what has come since the last time; it holds one minute's worth."""
        grown = self.level + per_minute / 60 * (now_s - self.filled_s)
        self.level, self.filled_s = min(grown, per_minute), now_s


class Quotas:
    """Admits callers within their shares. Calls come from one thread at a time."""

    def __init__(self, quota: Callable[[str], Quota], clock: Clock) -> None:
        """
        Args:
            quota: caller -> its share as it is now, such as `KeyRing.quota`.
            clock: seconds.
        """
        self._quota = quota
        self._clock = clock
        self._streams: Counter[str] = Counter()
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    @contextmanager
    def hold(self, caller: str, characters: int) -> Iterator[None]:
        """A stream of the caller, with the characters of its first text.

        Raises:
            QuotaError: one of the caller's shares is used up.
        """
        self.check_audio(caller)
        with self.stream(caller):
            self.take_characters(caller, characters)
            yield

    @contextmanager
    def stream(self, caller: str) -> Iterator[None]:
        """One of the caller's streams; given back however the block ends.

        Raises:
            QuotaError: all of them are taken.
        """
        limit = self._quota(caller).max_streams
        if limit is not None and self._streams[caller] >= limit:
            message = f"all {limit} streams of {caller!r} are taken; end one, or try again shortly"
            raise QuotaError(message, caller, STREAM_RETRY_S)
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    def take_characters(self, caller: str, count: int) -> None:
        """Take the characters of a text, or of a piece of one, before it is read.

        More than a minute's worth is let through when the allowance is full, and overdraws it.

        Raises:
            QuotaError: the allowance is not there yet; nothing is taken.
        """
        per_minute = self._quota(caller).characters_per_minute
        if per_minute is not None:
            needed = min(count, per_minute)
            self._check(caller, "characters", per_minute, needed).level -= count

    def check_audio(self, caller: str) -> None:
        """Whether the caller may have more audio.

        Raises:
            QuotaError: its allowance is overdrawn.
        """
        per_minute = self._quota(caller).audio_s_per_minute
        if per_minute is not None:
            self._check(caller, "seconds of audio", per_minute, 0)

    def take_audio(self, caller: str, audio_s: float) -> None:
        """Take audio that was made; its length was not known before, so this may overdraw."""
        per_minute = self._quota(caller).audio_s_per_minute
        if per_minute is not None:
            self._filled(caller, "seconds of audio", per_minute).level -= audio_s

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
        bucket.fill(per_minute, now_s)
        return bucket
