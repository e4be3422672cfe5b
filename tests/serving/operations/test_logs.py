"""What is logged, and what is not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dlpo_serving.operations.calls import CallRecord, current_call, recorded, request_id
from dlpo_serving.operations.logs import LogFormat, configure_logs, log_call

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


def record(**changes: object) -> CallRecord:
    made = CallRecord("id-1", "/dlpo.v1.SpeechService/Synthesize", "ipv4:127.0.0.1:9")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_call_is_one_line_of_json_with_its_figures() -> None:
    stream = logged("json")
    spoke = record(caller="alice", characters=80, audio_s=5.0, first_audio_s=0.0123)
    spoke.real_time_factor = 0.02

    log_call(spoke, "OK", 0.1)

    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "info",
        "logger": "dlpo_serving.operations.logs",
        "event": "call",
        "id": "id-1",
        "method": "/dlpo.v1.SpeechService/Synthesize",
        "peer": "ipv4:127.0.0.1:9",
        "caller": "alice",
        "chars": 80,
        "audio_s": 5.0,
        "ttfa_ms": 12.3,
        "rtf": 0.02,
        "code": "OK",
        "wall_s": 0.1,
    }


def test_what_is_not_known_of_a_call_is_left_out() -> None:
    stream = logged("json")

    log_call(record(), "UNAUTHENTICATED", 0.001)

    assert not {"caller", "voice", "ttfa_ms", "rtf"} & json.loads(stream.getvalue()).keys()


def test_logging_of_the_rooms_flows_through_the_same_format() -> None:
    stream = logged("json")

    _log.warning("draining streams=%d grace_s=%g", 3, 30)

    fields = json.loads(stream.getvalue())
    assert fields["event"] == "draining streams=3 grace_s=30"
    assert fields["level"] == "warning"


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

    log_call(record(peer='x" code=OK\nFORGED level=info'), "NOT_FOUND", 0.1)

    (line,) = stream.getvalue().splitlines()
    if log_format == "json":
        assert json.loads(line)["code"] == "NOT_FOUND"
    else:
        assert r'peer="x\" code=OK\nFORGED level=info"' in line


def test_logfmt_quotes_only_what_needs_it() -> None:
    stream = logged("logfmt")

    log_call(record(voice="lj", audio_s=1.5), "OK", 0.1)

    line = stream.getvalue()
    assert " event=call id=id-1 method=/dlpo.v1.SpeechService/Synthesize peer=" in line
    assert " voice=lj chars=0 audio_s=1.5 code=OK wall_s=0.1\n" in line


def test_plain_lines_are_for_people() -> None:
    stream = logged("plain")

    _log.info("hello")
    log_call(record(), "OK", 0.1)

    first, second = stream.getvalue().splitlines()
    assert first.endswith("INFO dlpo_serving.test hello")
    assert "dlpo_serving.operations.logs call id=id-1" in second


def test_lines_below_the_level_are_left_out() -> None:
    stream = logged("json")

    _log.debug("secret")
    log_call(record(), "OK", 0.1, logging.DEBUG)

    assert stream.getvalue() == ""


def test_the_call_in_hand_is_the_innermost_and_ends_with_its_block() -> None:
    outer, inner = record(id="outer"), record(id="inner")

    with recorded(outer):
        with recorded(inner):
            assert current_call() is inner
        assert current_call() is outer
    assert current_call() is not outer


def test_figures_noted_outside_any_call_reach_nobody() -> None:
    current_call().characters = 7

    assert current_call().characters == 0


@pytest.mark.parametrize("plain", ["7", "a-b_c.d:e", "x" * 128])
def test_a_plain_id_is_kept(plain: str) -> None:
    assert request_id(plain) == plain


@pytest.mark.parametrize("odd", [None, "", "a b", "a\nb", 'a"', "x" * 129, "ä"])
def test_an_odd_id_is_replaced_by_a_new_one(odd: str | None) -> None:
    first, second = request_id(odd), request_id(odd)

    assert odd not in (first, second)
    assert first != second
