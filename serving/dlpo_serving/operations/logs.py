"""Logs for machines: every record as one line of JSON or logfmt, and one such line for each call.

What the rooms say through `logging` flows through the same format. The text that is spoken is in
no record; what a caller chose (an id, a peer) can't break out of its field or line.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any, Literal

from dlpo_serving.operations.calls import CallRecord

LogFormat = Literal["plain", "logfmt", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_FIELDS = "dlpo_fields"  # attribute of a LogRecord that holds a line's fields
_log = logging.getLogger(__name__)


def configure_logs(
    log_format: LogFormat = "plain", level: LogLevel = "info", stream: IO[str] | None = None
) -> None:
    """Send what this process logs to `stream`, standard error if None, in one format.

    For the entry point of a process; what was configured before is replaced.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMATTERS[log_format]())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").addFilter(AcceptFailures())


class AcceptFailures(logging.Filter):
    """Lets one message in `pause_s` through that no file is left for a connection.

    asyncio logs one with its traceback for each connection that it can't accept, and tries again.
    """

    def __init__(self, pause_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._clock = clock
        self._last_s = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        if "out of system resource" not in record.getMessage():
            return True
        now = self._clock()
        if now - self._last_s < self._pause_s:
            return False
        self._last_s = now
        record.msg, record.args, record.exc_info = (
            "no file is left for further connections: raise the limit of open files (ulimit -n)",
            (),
            None,
        )
        return True


def log_call(record: CallRecord, code: str, wall_s: float, level: int = logging.INFO) -> None:
    """Write the one line of a call that ended with the status `code` after `wall_s` seconds."""
    fields = {
        "id": record.id,
        "method": record.method,
        "peer": record.peer,
        "caller": record.caller or None,
        "voice": record.voice or None,
        "chars": record.characters,
        "audio_s": round(record.audio_s, 3),
        "ttfa_ms": _rounded(record.first_audio_s, 1000),
        "rtf": _rounded(record.real_time_factor, 1),
        "code": code,
        "wall_s": round(wall_s, 4),
    }
    known = {name: value for name, value in fields.items() if value is not None}
    _log.log(level, "call", extra={_FIELDS: known})


def _rounded(value: float | None, scale: float) -> float | None:
    return None if value is None else round(scale * value, 3)


class _FieldsFormatter(logging.Formatter):
    """A record as fields: time, level, logger, event, those of a call, and a traceback if any."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class _JsonFormatter(_FieldsFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), ensure_ascii=False, default=str)


class _LogfmtFormatter(_FieldsFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return _logfmt(self.fields(record))


class _PlainFormatter(logging.Formatter):
    """For people: time, level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = getattr(record, _FIELDS, {})
        return " ".join([super().formatMessage(record), _logfmt(fields)]).rstrip()


def _logfmt(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={_logfmt_value(value)}" for name, value in fields.items())


def _logfmt_value(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=\\')
    return text if plain and text else json.dumps(text, ensure_ascii=False)


_FORMATTERS = {"plain": _PlainFormatter, "logfmt": _LogfmtFormatter, "json": _JsonFormatter}
