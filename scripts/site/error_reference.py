"""The errors page, generated from the errors and the functions that map them to statuses."""

from __future__ import annotations

import http
import inspect
from collections.abc import Iterator
from itertools import groupby

import grpc
from google.rpc.error_details_pb2 import ErrorInfo

from dlpo import errors
from dlpo.errors import DlpoError
from dlpo_serving import errors as serving_errors
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.protocols.http.statuses import BodyError, UnknownModelError, reply_to
from dlpo_serving.rpc.statuses import UndecodableError, status_message

HEAD = """# Error codes

## Of a server

One error, as each protocol says it: gRPC (`dlpo.v1` and Riva) as a code with google.rpc details, of
which `ErrorInfo.reason` (domain `dlpo`) is for programs to read; HTTP as a status with OpenAI's
error body. When each comes about: [gRPC](../api.md#statuses), [HTTP](../http.md#errors).

| error | gRPC code | reason | other details | HTTP | `code` in the body |
|---|---|---|---|---|---|
"""
OF_GRPC_ALONE, OF_HTTP_ALONE = UndecodableError, (BodyError, UnknownModelError)
BELOW = """
## Of the command line

| exit code | |
|---|---|
| 0 | done |
| 1 | an error of the list below; its message is one line on standard error |
| 2 | wrong usage: an unknown option, a value of the wrong kind |
| 128 + signal | a run that SIGINT or SIGTERM stopped, saved; the same command goes on |
| 130 | interrupted |

## In Python

"""


def error_reference() -> str:
    """Markdown: errors by gRPC code and HTTP status, exit codes, the tree of exceptions."""
    rows = "".join(f"| {' | '.join(row)} |\n" for row in map(_row, _examples()))
    return f"{HEAD}{rows}{BELOW}{_tree(errors)}\n{_tree(serving_errors)}"


def _examples() -> Iterator[DlpoError]:
    """One example of each error that an interface distinguishes."""
    yield RequestError(FieldViolation("speed", "is 9; expected 0.5 to 2"))
    yield UndecodableError("no message")
    yield BodyError("no JSON", 400)
    yield serving_errors.UnknownVoiceError("ann", ["heart"])
    yield UnknownModelError("tts-9", ["dlpo"])
    yield serving_errors.UnauthenticatedError("no token")
    yield serving_errors.OverloadError("full", 1.0)
    yield serving_errors.QuotaError("share used up", "alice", 1.0)
    yield serving_errors.NotReadyError("warming up")
    yield serving_errors.DeadlineError("too short")
    yield serving_errors.StalledError("stalled")
    yield errors.MissingExtraError("av", "codecs")
    yield errors.EngineError("any other")


def _row(error: DlpoError) -> tuple[str, ...]:
    of_grpc = ("", "", "") if isinstance(error, OF_HTTP_ALONE) else _over_grpc(error)
    of_http = ("", "") if isinstance(error, OF_GRPC_ALONE) else _over_http(error)
    return (f"`{type(error).__name__}`", *of_grpc, *of_http)


def _over_grpc(error: DlpoError) -> tuple[str, str, str]:
    """Code, reason and other details."""
    status = status_message(error)
    (code,) = (code for code in grpc.StatusCode if code.value[0] == status.code)
    info, others = ErrorInfo(), []
    for detail in status.details:
        if not detail.Unpack(info):
            others.append(f"`{detail.type_url.rpartition('.')[2]}`")
    return f"`{code.name}`", f"`{info.reason}`", ", ".join(others)


def _over_http(error: DlpoError) -> tuple[str, str]:
    """Status, and the body's `code`."""
    reply = reply_to(error)
    status = f"{reply.status} {http.HTTPStatus(reply.status).phrase}"
    return status, f"`{reply.code}`" if reply.code else ""


def _tree(module: object) -> str:
    """The docstring of a module of errors: its summary, and its tree as a block."""
    lines = inspect.cleandoc(inspect.getdoc(module) or "").splitlines()
    parts = []
    for of_tree, group in groupby(lines, key=_is_of_tree):
        text = "\n".join(group)
        parts.append(f"```text\n{text}\n```" if of_tree else text)
    return "\n".join(parts) + "\n"


def _is_of_tree(line: str) -> bool:
    return line.strip().startswith(("DlpoError", "├", "└", "│"))
