"""What is known of a call: scope, line of log, spans, metrics; JSON logs hold nothing but JSON."""

from __future__ import annotations

import inspect
import io
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from dlpo.v1 import speech_pb2
from dlpo_serving import errors
from dlpo_serving.operations import logs
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.captured_stderr import CapturedStderr
from dlpo_serving.operations.keys import new_key
from dlpo_serving.operations.logs import PAUSE_S, LogFormat, configure_logs
from dlpo_serving.operations.metrics import SHED_REASONS, Metrics
from dlpo_serving.operations.tracing import CallTracer
from tests.callers import WAIT_S, server_process, wait_until
from tests.serving.conftest import Authority, Clock, StartServer

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

HANDSHAKE = "I1125 10:00:00.123456    2563 tls.cc:2563] Handshake failed with error X"
METHOD = "/dlpo.v1.SpeechService/Synthesize"
_log = logging.getLogger("dlpo_serving.test")
TEXT = "A very private sentence. And a second one."


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


def test_an_exception_stays_within_its_line() -> None:
    stream = logged("json")

    try:
        raise ValueError("of ours")
    except ValueError:
        _log.exception("internal error")

    (line,) = stream.getvalue().splitlines()
    assert "ValueError: of ours" in json.loads(line)["exception"]


@pytest.mark.parametrize("log_format", ["json", "logfmt", "plain"])
def test_nothing_breaks_out_of_its_line_or_field(log_format: LogFormat) -> None:
    stream = logged(log_format)

    call("NOT_FOUND", peer='x" code=OK\nFORGED level=info')

    _log.error("voice refused entry=%s", "new\nline\x1b[31m\u202e\u2028.dlpo")
    line, refused = stream.getvalue().splitlines()
    assert {"\x1b", "\u202e"}.isdisjoint(refused)
    if log_format == "json":
        assert json.loads(line)["code"] == "NOT_FOUND"
    else:
        assert r'peer="x\" code=OK\nFORGED level=info"' in line


@pytest.mark.parametrize(
    ("id", "ids"),
    [(plain, 1) for plain in ("7", "a-b_c.d:e", "x" * 128)]
    + [(odd, 3) for odd in ("", "a b", "a\nb", 'a"', "x" * 129, "ä")],
)
def test_only_plain_request_ids_are_kept(id: str, ids: int) -> None:
    assert len({id, call(id=id), call(id=id)}) == ids


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> CallTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return CallTracer(provider)


def test_a_failure_is_recorded_without_its_message(
    tracer: CallTracer, exporter: InMemorySpanExporter
) -> None:
    scope = CallScope(Metrics(), tracer)
    with (
        pytest.raises(ValueError, match="my secret text"),
        scope.open("POST /x", "http", "", {"traceparent": "00-0-0-00"}, logging.DEBUG),
    ):
        raise ValueError("my secret text")

    (span,) = exporter.get_finished_spans()
    assert span.parent is None  # what came is no trace
    assert span.status.status_code == StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "secret" not in span.to_json()


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The page as a scraper reads it: (name, labels) -> value."""
    page, _ = metrics.page()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_rejection_reasons_are_a_closed_set() -> None:
    page = samples(Metrics())

    assert {page["dlpo_shed_total", (("reason", reason),)] for reason in SHED_REASONS} == {0}
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    rejections = [kind for kind in kinds if issubclass(kind, errors.CallRejectedError)]
    assert {kind.reason for kind in rejections} <= set(SHED_REASONS)


class Collector(TraceServiceServicer):
    """Of OTLP."""

    def __init__(self) -> None:
        self.got: list[Span] = []
        self.endpoint = ""

    def Export(self, request: Any, context: Any) -> messages.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.got.extend(scope.spans)
        return messages.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[Collector]:
    servicer, server = Collector(), grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(servicer, server)
    servicer.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


def test_call_log_and_spans_hold_no_text_or_token(
    start_server: StartServer,
    collector: Collector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace, got = "4bf92f3577b34da6a3ce929d0e0e4736", collector.got
    token = new_key(tmp_path / "keys.toml", "alice")

    with caplog.at_level(logging.DEBUG):
        server = start_server(otlp_endpoint=collector.endpoint, keys_file=tmp_path / "keys.toml")
        request = speech_pb2.StreamSynthesizeRequest(text=TEXT)
        parent = ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")
        metadata = (("authorization", f"Bearer {token}"), parent)
        replies = list(server.stub.StreamSynthesize(request, metadata=metadata))
        server.stop()
        server.thread.join()

    (span,) = [span for span in got if span.name.endswith("StreamSynthesize")]
    assert {span.trace_id.hex() for span in got} == {trace}
    attributes = {one.key: one.value.string_value for one in span.attributes}
    assert attributes == {"rpc.system": "grpc", "rpc.response.status_code": "OK"}
    parts = [part for part in got if part is not span]
    assert {part.name for part in parts} == {
        "normalise", "queue", "encode", "frames", "decode chunk", "encode audio",
    }  # fmt: skip
    assert {part.parent_span_id for part in parts} == {span.span_id}
    chunks = [reply for reply in replies if reply.HasField("audio")]
    assert len([part for part in parts if part.name == "decode chunk"]) >= len(chunks) > 1

    lines = [logs._JsonFormatter().format(record) for record in caplog.records]
    (line,) = [line for line in map(json.loads, lines) if line["event"] == "call"]
    assert (line["caller"], line["chars"], line["code"]) == ("alice", len(TEXT), "OK")
    assert min(line["audio_s"], line["ttfa_ms"], line["rtf"]) > 0
    left = "".join(lines) + "".join(str(span) for span in got)
    assert "private" not in left
    assert token not in left


def test_lines_of_one_place_are_logged_rarely() -> None:
    stream, clock = logged("json"), Clock()
    lines = CapturedStderr(clock)

    for _ in range(3):
        lines.log(HANDSHAKE)
    lines.log("E1125 10:00:00.123456 2563 other.cc:7] broken")
    lines.log("terminate called")
    clock.now_s += PAUSE_S
    lines.log(HANDSHAKE)

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["logger"], one["level"], one["event"]) for one in events] == [
        ("grpc", "info", "Handshake failed with error X (tls.cc:2563)"),
        ("grpc", "error", "broken (other.cc:7)"),
        ("stderr", "warning", "terminate called"),
        ("grpc", "info", "Handshake failed with error X (tls.cc:2563)"),
    ]


def test_what_c_code_writes_is_logged(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from dlpo_serving.operations.captured_stderr import stderr_captured\n"
        "from dlpo_serving.operations.logs import configure_logs\n"
        "with stderr_captured() as real:\n"
        "    configure_logs('json', 'info', real)\n"
        "    os.write(2, b'one\\ntwo \\xff')\n"
        "os.write(2, b'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    first, second, last = done.stderr.decode().splitlines()
    assert [json.loads(line)["event"] for line in (first, second)] == ["one", "two \\xff"]
    assert last == "after"


@pytest.mark.full
def test_a_server_writes_json_only(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("localhost")
    options = ["--log-format", "json", "--tls-certificate", str(issued.certificate)]
    with server_process(tmp_path, *options, "--tls-key", str(issued.key)) as server:
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
            caller.recv(1)
        wait_until(lambda: "andshake" in server.log.read_text())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 0
        assert server.process.stdout is not None
        rest = server.process.stdout.read()
    events = [json.loads(line) for line in [*server.log.read_text().splitlines(), *rest.split()]]
    assert "grpc" in {one["logger"] for one in events}


def test_a_failed_start_is_logged_as_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dlpo_serving", "--log-format", "json", "--voice", "nobody"]
    done = subprocess.run([*command, "--port", "0"], capture_output=True, text=True)

    assert done.returncode == 1
    events = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert "nobody" in events[-1]["event"]
    assert events[-1]["level"] == "critical"
