"""The line of log of each call, and its scope."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dlpo_serving.operations.call_scope import CallScope, current_call
from dlpo_serving.operations.logs import LogFormat, configure_logs
from dlpo_serving.operations.metrics import Metrics

METHOD = "/dlpo.v1.SpeechService/Synthesize"
_log = logging.getLogger("dlpo_serving.test")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(log_format: LogFormat) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(log_format, "info", stream)
    return stream


def call(
    code: str = "OK",
    *,
    peer: str = "ipv4:127.0.0.1:9",
    id: str = "id-1",
    level: int = logging.INFO,
    **figures: object,
) -> str:
    """A call that ends with these figures; its id."""
    times = iter((0.0, 0.1))
    scope = CallScope(Metrics(), clock=lambda: next(times))
    with scope.open(METHOD, "rpc", peer, {"x-request-id": id}, level) as record:
        for name, value in figures.items():
            setattr(record, name, value)
        record.code = code
    return record.id


def test_a_call_is_one_line_of_json_with_its_figures() -> None:
    stream = logged("json")

    call(caller="alice", characters=80, audio_s=5.0, first_audio_s=0.0123, real_time_factor=0.02)

    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "info",
        "logger": "dlpo_serving.operations.call_scope",
        "event": "call",
        "id": "id-1",
        "method": METHOD,
        "peer": "ipv4:127.0.0.1:9",
        "caller": "alice",
        "chars": 80,
        "audio_s": 5.0,
        "ttfa_ms": 12.3,
        "rtf": 0.02,
        "code": "OK",
        "wall_s": 0.1,
    }


def test_unknown_figures_of_a_call_are_left_out() -> None:
    stream = logged("json")

    call("UNAUTHENTICATED")

    assert not {"caller", "voice", "ttfa_ms", "rtf"} & json.loads(stream.getvalue()).keys()


def test_an_exception_stays_within_its_line() -> None:
    stream = logged("json")

    try:
        raise ValueError("of ours")
    except ValueError:
        _log.exception("internal error")

    (line,) = stream.getvalue().splitlines()
    assert "ValueError: of ours" in json.loads(line)["exception"]


@pytest.mark.parametrize("log_format", ["json", "logfmt", "plain"])
def test_a_peer_can_not_break_out_of_its_line_or_field(log_format: LogFormat) -> None:
    stream = logged(log_format)

    call("NOT_FOUND", peer='x" code=OK\nFORGED level=info')

    (line,) = stream.getvalue().splitlines()
    if log_format == "json":
        assert json.loads(line)["code"] == "NOT_FOUND"
    else:
        assert r'peer="x\" code=OK\nFORGED level=info"' in line


def test_logfmt_quotes_only_what_needs_it() -> None:
    stream = logged("logfmt")

    call(voice="lj", audio_s=1.5)

    line = stream.getvalue()
    assert f" event=call id=id-1 method={METHOD} peer=" in line
    assert " voice=lj chars=0 audio_s=1.5 code=OK wall_s=0.1\n" in line


def test_plain_lines_are_for_people() -> None:
    stream = logged("plain")

    _log.info("hello")
    _log.debug("secret")
    call()
    call(level=logging.DEBUG)

    first, second = stream.getvalue().splitlines()
    assert first.endswith("INFO dlpo_serving.test hello")
    assert "call id=id-1" in second


def test_the_current_call_is_the_innermost_and_ends_with_its_scope() -> None:
    scope = CallScope(Metrics())

    with scope.open(METHOD, "rpc", "", {}, logging.DEBUG) as outer:
        with scope.open(METHOD, "rpc", "", {}, logging.DEBUG) as inner:
            assert current_call() is inner
        assert current_call() is outer
    assert current_call() is not outer


@pytest.mark.parametrize("plain", ["7", "a-b_c.d:e", "x" * 128])
def test_a_plain_id_is_kept(plain: str) -> None:
    assert call(id=plain) == plain


@pytest.mark.parametrize("odd", ["", "a b", "a\nb", 'a"', "x" * 129, "ä"])
def test_an_odd_id_is_replaced_by_a_random_one(odd: str) -> None:
    first, second = call(id=odd), call(id=odd)

    assert odd not in (first, second)
    assert first != second
