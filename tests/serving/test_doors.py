"""What grpc's own log says of callers who left."""

from __future__ import annotations

import logging
import sys

from grpc._cython.cygrpc import ExecuteBatchError

from dlpo_serving.endpoints import caller_stayed


def record_of(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord("grpc", logging.ERROR, "", 0, "raised", (), sys.exc_info())


def test_a_caller_who_left_before_the_status_leaves_no_traceback() -> None:
    assert not caller_stayed(record_of(ExecuteBatchError("send status")))


def test_every_other_error_is_logged() -> None:
    assert caller_stayed(record_of(ValueError("our own fault")))
    assert caller_stayed(logging.LogRecord("grpc", logging.INFO, "", 0, "no error", (), None))
