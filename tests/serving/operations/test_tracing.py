"""Spans of a call, through the SDK's exporter that keeps them in memory."""

from __future__ import annotations

import sys
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dlpo.errors import MissingExtraError
from dlpo_serving.operations.tracing import NoTracer, OtelTracer, Span, open_tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracer(provider)


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def test_a_call_continues_the_callers_trace(
    tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.call("dlpo.v1.SpeechService/Synthesize", {"traceparent": TRACEPARENT}):
        pass

    (span,) = exporter.get_finished_spans()
    assert span.context.trace_id == int(TRACE, 16)
    assert parent_of(span) == int(PARENT, 16)
    assert span.kind == SpanKind.SERVER


@pytest.mark.parametrize("odd", [{}, {"traceparent": "nonsense"}, {"traceparent": "00-0-0-00"}])
def test_a_call_without_a_sound_traceparent_begins_a_trace(
    odd: dict[str, str], tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.call("call", odd):
        pass

    assert spans(exporter)["call"].parent is None


def test_parts_hold_what_is_said_of_them(
    tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.call("call", {}) as call:
        with call.child("decode chunk", {"dlpo.chunk": 3}) as decoding:
            decoding.set("dlpo.frames", 8)
            with decoding.child("encode audio"):
                pass
        call.set("rpc.response.status_code", "OK")

    found = spans(exporter)
    assert parent_of(found["decode chunk"]) == found["call"].context.span_id
    assert parent_of(found["encode audio"]) == found["decode chunk"].context.span_id
    assert found["decode chunk"].attributes == {"dlpo.chunk": 3, "dlpo.frames": 8}
    assert found["call"].attributes == {"rpc.response.status_code": "OK"}


def test_another_thread_carries_on(tracer: OtelTracer, exporter: InMemorySpanExporter) -> None:
    def engine(call: Span) -> None:
        with call.child("denoise"):
            pass

    with tracer.call("call", {}) as call:
        thread = threading.Thread(target=engine, args=(call,))
        thread.start()
        thread.join()

    found = spans(exporter)
    assert parent_of(found["denoise"]) == found["call"].context.span_id


def test_a_measured_wait_has_its_length_and_its_place(
    tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.call("call", {}) as call:
        call.measured("queue", 0.25, {"dlpo.stage": "encode"})

    found = spans(exporter)
    queue = found["queue"]
    assert queue.start_time is not None
    assert queue.end_time is not None
    assert queue.end_time - queue.start_time == 250_000_000
    assert parent_of(queue) == found["call"].context.span_id


def test_a_failure_is_told_without_its_message(
    tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with pytest.raises(ValueError, match="my secret text"), tracer.call("call", {}):
        raise ValueError("my secret text")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "secret" not in span.to_json()


def test_a_call_is_no_part_of_what_its_task_did_before(
    tracer: OtelTracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.call("first", {}), tracer.call("second", {}):
        pass

    assert spans(exporter)["second"].parent is None


def test_without_a_collector_spans_do_nothing() -> None:
    tracer = open_tracer(None)

    with tracer.call("call", {"traceparent": TRACEPARENT}) as call, call.child("part") as part:
        part.set("dlpo.chunk", 1)
        part.measured("queue", 0.1)
    tracer.close()

    assert isinstance(tracer, NoTracer)


def test_a_collector_without_the_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)

    with pytest.raises(MissingExtraError, match=r"dlpo\[otel\]"):
        open_tracer("http://localhost:4317")


def test_spans_are_sent_to_a_collector_over_otlp() -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages

    got = []

    def export(
        request: messages.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> messages.ExportTraceServiceResponse:
        got.append(request)
        return messages.ExportTraceServiceResponse()

    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    handler = grpc.unary_unary_rpc_method_handler(
        export,
        messages.ExportTraceServiceRequest.FromString,
        messages.ExportTraceServiceResponse.SerializeToString,
    )
    with ThreadPoolExecutor(1) as pool:
        collector = grpc.server(pool)
        collector.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
        )
        port = collector.add_insecure_port("127.0.0.1:0")
        collector.start()
        tracer = open_tracer(f"http://127.0.0.1:{port}")
        with tracer.call("call", {"traceparent": TRACEPARENT}):
            pass
        tracer.close()
        collector.stop(None).wait()

    (resource,) = got[0].resource_spans
    assert resource.scope_spans[0].spans[0].name == "call"
    names = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert names["service.name"] == "dlpo"
