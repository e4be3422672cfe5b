"""What goes between Serve's proxy and a replica."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """A request message."""

    method: str
    """/package.Service/Method"""
    timeout_s: float | None
    """after which the caller will not listen any more; None if it has no such time"""
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply message, or the end of a call, whose status goes beside it in Serve's context."""

    data: bytes | None
    """None at the end"""

    def SerializeToString(self) -> bytes | None:
        """Serve takes this for a message; the proxy gets what it returns."""
        return self.data
