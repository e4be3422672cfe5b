"""Traces by OpenTelemetry; where nobody asked for them, spans that do nothing.

    with current_call().span.child("normalise"):
        ...

A span is handed on, also to another thread; nothing is found by where one happens to be. None holds
the text, nor the message of an error, which might quote it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from dlpo.errors import MissingExtraError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as SpanOfOtel
    from opentelemetry.trace import Tracer as TracerOfOtel

Value = str | int | float | bool
Attributes = Mapping[str, Value]

SERVICE_NAME = "dlpo"  # unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise


class Span(Protocol):
    """A stretch of work. Safe to use from any thread."""

    def set(self, name: str, value: Value) -> None:
        """Say something about it."""
        ...

    def child(
        self, name: str, attributes: Attributes | None = None
    ) -> AbstractContextManager[Span]:
        """A part of it: what is done inside the block."""
        ...

    def measured(self, name: str, duration_s: float, attributes: Attributes | None = None) -> None:
        """A part of it that ends now and began `duration_s` ago, such as a wait in a queue."""
        ...


class Tracer(Protocol):
    """Records what the time of calls went into. Safe to use from any thread."""

    def call(self, name: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A whole call; `carrier` are its headers, perhaps with a W3C traceparent."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


def open_tracer(endpoint: str | None) -> Tracer:
    """A tracer that sends to an OTLP collector over gRPC, or one that does nothing if None.

    Args:
        endpoint: http://host:4317, or https.

    Raises:
        MissingExtraError: the packages of the extra `otel` are not installed.
    """
    if endpoint is None:
        return NoTracer()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MissingExtraError("opentelemetry-exporter-otlp-proto-grpc", "otel") from error

    ours = Resource.create({"service.name": SERVICE_NAME})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return OtelTracer(provider)


class NoSpan:
    """Nobody listens."""

    def set(self, name: str, value: Value) -> None:
        pass

    def child(
        self, name: str, attributes: Attributes | None = None
    ) -> AbstractContextManager[Span]:
        return nullcontext(self)

    def measured(self, name: str, duration_s: float, attributes: Attributes | None = None) -> None:
        pass


class NoTracer:
    """Records nothing, at the cost of a call."""

    def call(self, name: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        return nullcontext(NoSpan())

    def close(self) -> None:
        pass


class OtelTracer:
    """Records through a tracer provider of OpenTelemetry's SDK, which it owns."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("dlpo_serving")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def call(self, name: str, carrier: Mapping[str, str]) -> Iterator[Span]:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        parent = self._propagator.extract(dict(carrier), Context())
        span = self._tracer.start_span(name, parent, SpanKind.SERVER)
        with _ended(span):
            yield _OtelSpan(self._tracer, span)

    def close(self) -> None:
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, tracer: TracerOfOtel, span: SpanOfOtel) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._span = span
        self._inside = set_span_in_context(span, Context())

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    @contextmanager
    def child(self, name: str, attributes: Attributes | None = None) -> Iterator[Span]:
        span = self._tracer.start_span(name, self._inside, attributes=attributes)
        with _ended(span):
            yield _OtelSpan(self._tracer, span)

    def measured(self, name: str, duration_s: float, attributes: Attributes | None = None) -> None:
        end_ns = time.time_ns()
        start_ns = end_ns - round(1e9 * duration_s)
        self._tracer.start_span(name, self._inside, attributes=attributes, start_time=start_ns).end(
            end_ns
        )


@contextmanager
def _ended(span: SpanOfOtel) -> Iterator[None]:
    """End the span with the block, and tell of which kind an error was that ended it."""
    from opentelemetry.trace import Status, StatusCode

    try:
        yield
    except BaseException as error:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()
