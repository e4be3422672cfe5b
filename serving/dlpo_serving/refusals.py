"""Why a call is not served, whichever door it came through; each door has its own words for it.

DlpoError
├── InputError
│   └── RequestError        a field can't be used (request.py)
└── RefusalError
    ├── UnknownVoiceError   the server does not hold this voice
    ├── NotReadyError       it is warming up or shutting down
    ├── OverloadError       it is full
    │   ├── PeerShareError  its caller has as much of it as one caller may have
    │   └── DisplacedError  a call that had nothing to speak lost its place
    ├── QuotaError          this caller has used up its share
    ├── UnauthenticatedError  no token, or one that is not known
    ├── DeadlineError       there would be no sound within the caller's deadline
    └── StalledError        the caller stopped listening
"""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.errors import DlpoError

QUOTED = 60  # characters of a caller's value in a message: trailers of gRPC hold 8 kB


def shortened(value: str) -> str:
    """A value of a caller, short enough for a message."""
    return value if len(value) <= QUOTED else f"{value[: QUOTED - 3]}..."


class RefusalError(DlpoError):
    """A call that is not served, or not to its end."""

    reason = "other"
    """what the metrics count it as"""


class UnknownVoiceError(RefusalError):
    """The server does not hold the voice that a request names."""

    def __init__(self, voice: str, known: Sequence[str]) -> None:
        self.voice = shortened(voice)
        super().__init__(f"voice is {self.voice!r}; this server has {', '.join(known)}")


class NotReadyError(RefusalError):
    """The server is warming up or shutting down."""

    reason = "draining"
    retry_after_s = 1.0


class OverloadError(RefusalError):
    """The server speaks for as many callers as it can."""

    reason = "backlog"

    def __init__(self, message: str, retry_after_s: float) -> None:
        """`retry_after_s`: when a new call is likely to be taken."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PeerShareError(OverloadError):
    """The caller has as much of the server as one caller may have; others find room."""


class DisplacedError(OverloadError):
    """The call waited for text, and another one needed its place."""

    reason = "streams"

    def __init__(self) -> None:
        message = "no text was waiting, and another call needed the place; begin again with text"
        super().__init__(message, 0.1)


class QuotaError(RefusalError):
    """A caller has used up its share."""

    reason = "quota"

    def __init__(self, message: str, caller: str, retry_after_s: float) -> None:
        """`caller`: name of the key; `retry_after_s`: when the share allows this call."""
        super().__init__(message)
        self.caller = caller
        self.retry_after_s = retry_after_s


class UnauthenticatedError(RefusalError):
    """A call without a token, or with one that is not known."""


class DeadlineError(RefusalError):
    """There would be no sound within the time that the caller gave."""

    reason = "deadline"


class StalledError(RefusalError):
    """The caller has not taken its audio for so long that its place was given away."""

    reason = "stalled"
