"""The scope of every call, over any protocol: id, token, trace, metrics, one log line."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from dlpo.mark import UNMARKED
from dlpo_serving.errors import CallRejectedError, status_of
from dlpo_serving.operations.keys import bearer_token
from dlpo_serving.operations.logs import FIELDS
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tracing import CallTrace, CallTracer

REQUEST_ID = "x-request-id"  # metadata key and HTTP header
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # safe in logs and headers
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CallRecord:
    """What is known about one call. It never contains the text."""

    id: str
    """the caller's choice, or random"""
    method: str
    """/dlpo.v1.SpeechService/Synthesize, or POST /v1/audio/speech"""
    peer: str
    """address of the caller"""
    caller: str = ""
    """owner of the key that came with the call; empty if no keys are required"""
    voice: str = ""
    mark: str = UNMARKED
    """which keys mark the audio; see `dlpo.mark.NoiseMark.named`"""
    characters: int = 0
    body_bytes: int = 0
    """of the request, over HTTP"""
    audio_s: float = 0.0
    """seconds of audio made"""
    first_audio_s: float | None = None
    """from the call's start to its first audio"""
    real_time_factor: float | None = None
    code: str = "CANCELLED"
    """status that the call ended with; CANCELLED if the caller left early"""
    trace: CallTrace | None = None
    recheck: Callable[[], object] = field(default=bool, repr=False)
    """raises UnauthenticatedError once the key that came with the call is deleted"""


_current: ContextVar[CallRecord | None] = ContextVar("dlpo_call", default=None)


def current_call() -> CallRecord:
    """The record of the current call; outside of any call, a throwaway one."""
    return _current.get() or CallRecord("", "", "")


class CallScope:
    """Opens the scope of each call. For one event loop."""

    def __init__(
        self,
        metrics: Metrics,
        tracer: CallTracer | None = None,
        authorize: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            tracer: None records no traces.
            authorize: token -> name of the caller, or raises UnauthenticatedError, such as
                `KeyRing.authorize`; None requires no token.
            clock: seconds.
        """
        self._metrics = metrics
        self._tracer = tracer
        self._authorize = authorize
        self._clock = clock

    @contextmanager
    def open(
        self, method: str, protocol: str, peer: str, headers: Mapping[str, str], level: int
    ) -> Iterator[CallRecord]:
        """Open the scope in which a call runs; set the `code` of its record before leaving.

        Args:
            method: as in `CallRecord`.
            protocol: "rpc", "http" or "wyoming".
            headers: lower-case name -> value.
            level: of the log line.
        """
        start_s = self._clock()
        id = headers.get(REQUEST_ID, "")
        if not _PLAIN_ID.fullmatch(id):
            id = uuid.uuid4().hex
        record = CallRecord(id, method, peer)
        labels = method.split("/")[1:] if protocol == "rpc" else (protocol.upper(), method)
        self._metrics.calls_started.labels(*labels).inc()
        if self._tracer:
            record.trace = self._tracer.start(method.removeprefix("/"), headers)
        token = _current.set(record)
        failure: BaseException | None = None
        try:
            yield record
        except BaseException as error:
            failure = error
            raise
        finally:
            _current.reset(token)
            wall_s = self._clock() - start_s
            if record.trace:
                system = {"rpc.system": "grpc"} if protocol == "rpc" else {}
                status = {f"{protocol}.response.status_code": record.code}
                record.trace.end(system | status, failure)
            self._metrics.calls_ended.labels(*labels, record.code).inc()
            self._metrics.call_s.labels(*labels).observe(wall_s)
            fields = {
                "id": record.id,
                "method": record.method,
                "peer": record.peer,
                "caller": record.caller or None,
                "voice": record.voice or None,
                "chars": record.characters,
                "audio_s": round(record.audio_s, 3),
                "ttfa_ms": record.first_audio_s and round(1000 * record.first_audio_s, 3),
                "rtf": record.real_time_factor and round(record.real_time_factor, 3),
                "code": record.code,
                "wall_s": round(wall_s, 4),
            }
            _log.log(level, "call", extra={FIELDS: fields})

    @contextmanager
    def utterance(
        self, method: str, protocol: str, peer: str, connection: CallRecord | None = None
    ) -> Iterator[CallRecord]:
        """One of several calls on a connection; sets the `code` of its record itself.

        Raises:
            UnauthenticatedError: the key that `connection` was opened with has been deleted.
        """
        with self.open(method, protocol, peer, {}, logging.INFO) as record:
            try:
                if connection:
                    record.caller, record.recheck = connection.caller, connection.recheck
                    record.recheck()
                yield record
                record.code = "OK"
            except Exception as error:
                self.count_failure(error)
                if not isinstance(error, OSError):  # which means that the client is gone
                    record.code = status_of(error).grpc
                raise

    def authorize(self, headers: Sequence[str]) -> None:
        """Identify the caller of the current call by its `authorization` headers.

        Raises:
            UnauthenticatedError: they contain no known token.
        """
        if self._authorize:
            record = current_call()
            record.recheck = partial(self._authorize, bearer_token(headers))
            record.caller = self._authorize(bearer_token(headers))

    def count_failure(self, error: Exception) -> None:
        """Count a call that was rejected or abandoned."""
        if isinstance(error, CallRejectedError):
            self._metrics.shed.labels(error.reason).inc()
