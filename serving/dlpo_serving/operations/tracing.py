"""OpenTelemetry spans of calls, which contain neither text nor error messages that quote it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlpo.errors import needs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SERVICE_NAME = "dlpo"  # unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES set another


def open_tracer(endpoint: str | None) -> CallTracer | None:
    """A tracer that exports to an OTLP collector over gRPC; None without an endpoint.

    Args:
        endpoint: http://host:4317, or https.

    Raises:
        MissingExtraError: the packages of the `otel` extra are not installed.
    """
    if endpoint is None:
        return None
    with needs("otel"):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({"service.name": SERVICE_NAME})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return CallTracer(provider)


class CallTracer:
    """Starts the spans of calls. Safe to use from any thread."""

    def __init__(self, provider: TracerProvider) -> None:
        """`provider` is shut down with the tracer."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("dlpo_serving")
        self._propagator = TraceContextTextMapPropagator()

    def start(self, name: str, headers: Mapping[str, str]) -> CallTrace:
        """Start the span of a call, in the trace of its W3C traceparent header, if any."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        parent = self._propagator.extract(dict(headers), Context())
        return CallTrace(self._tracer, self._tracer.start_span(name, parent, SpanKind.SERVER))

    def close(self) -> None:
        """Export the remaining spans."""
        self._provider.shutdown()


class CallTrace:
    """The span of one call. Safe to use from any thread."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._span = span
        self._inside = set_span_in_context(span, Context())

    def part(
        self, name: str, duration_s: float, attributes: Mapping[str, str | int] | None = None
    ) -> None:
        """Add a child span that ends now and started `duration_s` ago."""
        end_ns = time.time_ns()
        start_ns = end_ns - round(1e9 * duration_s)
        self._tracer.start_span(name, self._inside, attributes=attributes, start_time=start_ns).end(
            end_ns
        )

    def end(self, attributes: Mapping[str, str], error: BaseException | None = None) -> None:
        """End the span of the call; only the type of an error is recorded."""
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attributes(attributes)
        if error:
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()
