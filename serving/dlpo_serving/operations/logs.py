"""Logs as lines of JSON, logfmt or plain text.

No record contains the text of a call, and caller-controlled values (an id, a peer) can't break out
of their field or line.
"""

from __future__ import annotations

import json
import logging
import math
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any, Literal

LogFormat = Literal["plain", "logfmt", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

GRPC_LOG = "grpc._cython.cygrpc"
FIELDS = "dlpo_fields"  # attribute of a LogRecord: name -> value; None is left out
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of characters that forge or hide a line
PAUSE_S = 10.0  # between two messages of a kind that clients can cause at will


def configure_logs(
    log_format: LogFormat = "plain", level: LogLevel = "info", stream: IO[str] | None = None
) -> None:
    """Send the logs of this process to `stream`, standard error if None, in one format.

    For the entry point of a process; it replaces any earlier configuration.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMATTERS[log_format]())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for package in ("dlpo", "dlpo_serving"):
        logger = logging.getLogger(package)
        if logger.level == logging.INFO:  # the command line's usual one; --quiet stays
            logger.setLevel(logging.NOTSET)
    logging.getLogger("asyncio").addFilter(no_file_is_left())


def line(log_format: LogFormat, logger: str, event: str, fields: dict[str, Any]) -> str:
    """One line of information in a format, for another stream than that of the log."""
    record = logging.LogRecord(logger, logging.INFO, "", 0, event, None, None)
    setattr(record, FIELDS, fields)
    formatter: logging.Formatter = _FORMATTERS[log_format]()
    return formatter.format(record)


class Rarely(logging.Filter):
    """Passes one message of a kind per `PAUSE_S`, in our words: without a traceback or values."""

    def __init__(self, kind: str, instead: str, clock: Callable[[], float]) -> None:
        """`kind`: what the message of a library begins with; `instead`: what is logged."""
        super().__init__()
        self._kind = kind
        self._instead = instead
        self._clock = clock
        self._last_s = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if not str(record.msg).startswith(self._kind):
            return True
        now = self._clock()
        if now - self._last_s < PAUSE_S:
            return False
        self._last_s = now
        record.msg = self._instead
        record.args = ()
        record.exc_info = None
        return True


def no_file_is_left() -> Rarely:
    """For asyncio, which logs a traceback for each connection that it can't accept, and retries."""
    summary = "no file is left for further connections: raise the limit of open files (ulimit -n)"
    return Rarely("socket.accept() out of system resource", summary, time.monotonic)


def undecodable_metadata() -> Rarely:
    """For gRPC, which logs every value of metadata that is not UTF-8, tokens too, before a call
    is authorized; a traceback comes with it, 200 bytes for each byte sent."""
    summary = (
        "metadata that is not UTF-8 came, and is read as Latin-1; its senders should encode it"
    )
    return Rarely("Invalid encoding on", summary, time.monotonic)


class _JsonFormatter(logging.Formatter):
    """Time, level, logger, event, the fields of a call, and a traceback if any."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _visible(record.getMessage()),
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
        fields = _logfmt(getattr(record, FIELDS, {}))
        return f"{_visible(super().formatMessage(record))} {fields}".rstrip()


def _visible(text: str) -> str:
    """Names of files may have line ends and escapes, too."""
    return "".join(ascii(one)[1:-1] if unicodedata.category(one) in UNSEEN else one for one in text)


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
