"""The call in hand: who asks, and the figures that its one line of log will hold."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from dlpo_serving.operations.tracing import NoSpan, Span

REQUEST_ID = "x-request-id"  # metadata key and HTTP header

_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # what may go into logs and headers as it is


@dataclass(slots=True)
class CallRecord:
    """What is known of one call, of whichever door. It never holds the text."""

    id: str
    """of the caller's choice, or made by `request_id`"""
    method: str
    """/dlpo.v1.SpeechService/Synthesize, or POST /v1/audio/speech"""
    peer: str
    """address of the caller"""
    caller: str = ""
    """name of the key that the call came with; empty where no keys are asked for"""
    voice: str = ""
    characters: int = 0
    audio_s: float = 0.0
    """seconds of audio that were made"""
    first_audio_s: float | None = None
    """from the call's begin to its first audio"""
    real_time_factor: float | None = None
    span: Span = field(default_factory=NoSpan)
    """what the call's time goes into, for a trace"""


_current: ContextVar[CallRecord | None] = ContextVar("dlpo_call", default=None)


@contextmanager
def recorded(record: CallRecord) -> Iterator[CallRecord]:
    """Make `record` the call in hand for what is done inside."""
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)


def current_call() -> CallRecord:
    """The record of the call in hand; outside of any call, one that nobody reads."""
    return _current.get() or CallRecord("", "", "")


def request_id(proposed: str | None) -> str:
    """The caller's id for a call if it is plain, else a new one."""
    if proposed and _PLAIN_ID.fullmatch(proposed):
        return proposed
    return uuid.uuid4().hex
