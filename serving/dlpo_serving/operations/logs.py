"""Logs as lines of JSON, logfmt or plain text.

No record contains the text of a call, and caller-controlled values (an id, a peer) can't break out
of their field or line.
"""

from __future__ import annotations

import json
import logging
import math
import time
from datetime import UTC, datetime
from typing import IO, Any, Literal

LogFormat = Literal["plain", "logfmt", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

FIELDS = "dlpo_fields"  # attribute of a LogRecord: name -> value; None is left out


def configure_logs(
    log_format: LogFormat = "plain", level: LogLevel = "info", stream: IO[str] | None = None
) -> None:
    """Send the logs of this process to `stream`, standard error if None, in one format.

    For the entry point of a process; it replaces any earlier configuration.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMATTERS[log_format]())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").addFilter(AcceptFailures())


FAILURE_PAUSE_S = 10.0


class AcceptFailures(logging.Filter):
    """Passes one message per `FAILURE_PAUSE_S` about running out of file descriptors.

    asyncio logs one, with a traceback, for each connection that it can't accept, and retries.
    """

    _last_s = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        if "out of system resource" not in record.getMessage():
            return True
        now = time.monotonic()
        if now - self._last_s < FAILURE_PAUSE_S:
            return False
        self._last_s = now
        record.msg, record.args, record.exc_info = (
            "no file is left for further connections: raise the limit of open files (ulimit -n)",
            (),
            None,
        )
        return True


class _JsonFormatter(logging.Formatter):
    """Time, level, logger, event, the fields of a call, and a traceback if any."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in self.fields(record).items() if value is not None}
        return json.dumps(fields, ensure_ascii=False, default=str)


class _LogfmtFormatter(_JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return _logfmt(self.fields(record))


class _PlainFormatter(logging.Formatter):
    """For people: time, level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return f"{super().formatMessage(record)} {_logfmt(getattr(record, FIELDS, {}))}".rstrip()


def _logfmt(fields: dict[str, Any]) -> str:
    words = []
    for name, value in fields.items():
        if value is None:
            continue
        text = str(value)
        plain = text.isascii() and text.isprintable() and not set(text) & set(' "=\\')
        words.append(f"{name}={text if plain and text else json.dumps(text, ensure_ascii=False)}")
    return " ".join(words)


_FORMATTERS = {"plain": _PlainFormatter, "logfmt": _LogfmtFormatter, "json": _JsonFormatter}
