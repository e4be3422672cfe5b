"""The page of errors, from the errors and the functions that turn them into statuses."""

from __future__ import annotations

import http
import inspect
from collections.abc import Iterator
from itertools import groupby

import grpc
from google.rpc import error_details_pb2
from google.rpc.error_details_pb2 import ErrorInfo

from dlpo import errors
from dlpo.errors import DlpoError
from dlpo_serving import refusals
from dlpo_serving.http.statuses import reply_to
from dlpo_serving.request import RequestError, Violation
from dlpo_serving.statuses import UndecodableError, status_of

HEAD = """# Error codes

## Of a server

One error, as each door says it: gRPC (`dlpo.v1` and Riva) as a code with google.rpc details, of which `ErrorInfo.reason` (domain
`dlpo`) is for programs to read; HTTP as a status with OpenAI's error body. When each comes about: [gRPC](../api.md#statuses),
[HTTP](../http.md#errors).

| error | gRPC code | reason | other details | HTTP | `code` in the body |
|---|---|---|---|---|---|
"""
BELOW = """
## Of the command line

| exit code | |
|---|---|
| 0 | done |
| 1 | an error of the list below; its message is one line on standard error |
| 2 | wrong usage: an unknown option, a value of the wrong kind |
| 128 + number of the signal | a run that SIGINT or SIGTERM stopped, saved; the same command goes on |
| 130 | interrupted |

## In Python

"""


def error_reference() -> str:
    """Markdown: errors by gRPC code and HTTP status, exit codes, the tree of exceptions."""
    rows = "".join(f"| {' | '.join(row)} |\n" for row in map(_row, _examples()))
    return f"{HEAD}{rows}{BELOW}{_tree(errors)}\n{_tree(refusals)}"


def _examples() -> Iterator[DlpoError]:
    """One of each error that a door tells apart."""
    yield RequestError(Violation("speed", "is 9; expected 0.5 to 2"))
    yield UndecodableError("no message")
    yield refusals.UnknownVoiceError("ann", ["lj"])
    yield refusals.UnauthenticatedError("no token")
    yield refusals.OverloadError("full", 1.0)
    yield refusals.QuotaError("share used up", "alice", 1.0)
    yield refusals.NotReadyError("warming up")
    yield refusals.DeadlineError("too short")
    yield refusals.StalledError("stalled")
    yield errors.MissingExtraError("av", "serve")
    yield errors.EngineError("any other")


def _row(error: DlpoError) -> tuple[str, ...]:
    status = status_of(error)
    (code,) = (code for code in grpc.StatusCode if code.value[0] == status.code)
    reason, others = "", []
    for detail in status.details:
        name = detail.type_url.rpartition(".")[2]
        if name == "ErrorInfo":
            info = ErrorInfo()
            detail.Unpack(info)
            reason = info.reason
        else:
            assert hasattr(error_details_pb2, name)
            others.append(f"`{name}`")
    over_http = reply_to(error)
    words = http.HTTPStatus(over_http.status).phrase
    return (
        f"`{type(error).__name__}`",
        f"`{code.name}`",
        f"`{reason}`",
        ", ".join(others),
        f"{over_http.status} {words}",
        f"`{over_http.code}`" if over_http.code else "",
    )


def _tree(module: object) -> str:
    """The docstring of a module of errors: its sentence, and its tree as a block."""
    lines = inspect.cleandoc(inspect.getdoc(module) or "").splitlines()
    parts = []
    for of_tree, group in groupby(lines, key=_is_of_tree):
        parts += ["```text", *group, "```"] if of_tree else group
    return "\n".join(parts) + "\n"


def _is_of_tree(line: str) -> bool:
    return line.strip().startswith(("DlpoError", "├", "└", "│"))
