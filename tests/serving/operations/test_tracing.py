"""Spans of a call, through the SDK's exporter that keeps them in memory."""

from __future__ import annotations

import logging
import sys
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dlpo.errors import MissingExtraError
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tracing import CallTrace, CallTracer, open_tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> CallTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return CallTracer(provider)


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_call_continues_the_callers_trace(
    tracer: CallTracer, exporter: InMemorySpanExporter
) -> None:
    tracer.start("call", {"traceparent": TRACEPARENT}).end({"rpc.response.status_code": "OK"})

    (span,) = exporter.get_finished_spans()
    assert span.context.trace_id == int(TRACE, 16)
    assert span.parent is not None
    assert span.parent.span_id == int(PARENT, 16)
    assert span.kind == SpanKind.SERVER
    assert span.attributes == {"rpc.response.status_code": "OK"}


@pytest.mark.parametrize("odd", [{}, {"traceparent": "nonsense"}, {"traceparent": "00-0-0-00"}])
def test_a_call_without_a_valid_traceparent_starts_a_trace(
    odd: dict[str, str], tracer: CallTracer, exporter: InMemorySpanExporter
) -> None:
    outer = tracer.start("outer", {})
    tracer.start("call", odd).end({})
    outer.end({})

    assert spans(exporter)["call"].parent is None


def test_a_part_of_another_thread_has_its_length_and_its_place(
    tracer: CallTracer, exporter: InMemorySpanExporter
) -> None:
    def lane(call: CallTrace) -> None:
        call.part("queue", 0.25, {"dlpo.stage": "encode"})

    call = tracer.start("call", {})
    thread = threading.Thread(target=lane, args=(call,))
    thread.start()
    thread.join()
    call.end({})

    found = spans(exporter)
    queue = found["queue"]
    assert queue.start_time is not None
    assert queue.end_time is not None
    assert queue.end_time - queue.start_time == 250_000_000
    assert queue.parent is not None
    assert queue.parent.span_id == found["call"].context.span_id
    assert queue.attributes == {"dlpo.stage": "encode"}


def test_a_failure_is_recorded_without_its_message(
    tracer: CallTracer, exporter: InMemorySpanExporter
) -> None:
    scope = CallScope(Metrics(), tracer)
    with (
        pytest.raises(ValueError, match="my secret text"),
        scope.open("POST /x", "http", "", {}, logging.DEBUG),
    ):
        raise ValueError("my secret text")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "secret" not in span.to_json()


def test_a_collector_without_the_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)

    assert open_tracer(None) is None
    with pytest.raises(MissingExtraError, match=r"dlpo\[otel\]"):
        open_tracer("http://localhost:4317")
