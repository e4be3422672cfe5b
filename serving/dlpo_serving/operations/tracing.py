"""Traces by OpenTelemetry; where nobody asked for them, a tracer that does nothing.

    with tracer.span("decode chunk", {"dlpo.chunk": 3}):
        ...

Spans nest within a task. Another thread gets its parent by `here`. No span holds the text, nor the
message of an error, which might quote it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from dlpo.errors import MissingExtraError

if TYPE_CHECKING:
    from opentelemetry.context import Context as OtelContext
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

Attributes = Mapping[str, str | int | float | bool]

SERVICE_NAME = "dlpo"  # unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise


class Span(Protocol):
    """A stretch of work that is under way."""

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Say something about it."""
        ...


class Tracer(Protocol):
    """Records what a call's time went into. Safe to call from any thread."""

    def call(self, name: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A span of a whole call; `carrier` are its headers, with a W3C traceparent perhaps."""
        ...

    def span(
        self, name: str, attributes: Attributes | None = None, parent: object = None
    ) -> AbstractContextManager[Span]:
        """A span of what is done inside; `parent` from `here`, else the one around it."""
        ...

    def measured(
        self,
        name: str,
        duration_s: float,
        attributes: Attributes | None = None,
        parent: object = None,
    ) -> None:
        """A span that ends now and began `duration_s` ago, such as a wait in a queue."""
        ...

    def here(self) -> object:
        """Where this task is in its trace, to be carried to another thread."""
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


class _NoSpan:
    def set(self, name: str, value: str | int | float | bool) -> None:
        """Nobody listens."""


_NO_SPAN = nullcontext(_NoSpan())


class NoTracer:
    """Does nothing, at the cost of a call."""

    def call(self, name: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
        return _NO_SPAN

    def span(
        self, name: str, attributes: Attributes | None = None, parent: object = None
    ) -> AbstractContextManager[Span]:
        return _NO_SPAN

    def measured(
        self,
        name: str,
        duration_s: float,
        attributes: Attributes | None = None,
        parent: object = None,
    ) -> None:
        pass

    def here(self) -> object:
        return None

    def close(self) -> None:
        pass


class _OtelSpan:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def set(self, name: str, value: str | int | float | bool) -> None:
        self._span.set_attribute(name, value)


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

        # From an empty context: what this task did before is no part of the caller's trace.
        parent = self._propagator.extract(dict(carrier), Context())
        with self._within(self._tracer.start_span(name, parent, SpanKind.SERVER)) as span:
            yield span

    @contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, parent: object = None
    ) -> Iterator[Span]:
        context = _as_context(parent)
        with self._within(self._tracer.start_span(name, context, attributes=attributes)) as span:
            yield span

    def measured(
        self,
        name: str,
        duration_s: float,
        attributes: Attributes | None = None,
        parent: object = None,
    ) -> None:
        end_ns = time.time_ns()
        start_ns = end_ns - round(1e9 * duration_s)
        context = _as_context(parent)
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=start_ns)
        span.end(end_ns)

    def here(self) -> object:
        from opentelemetry.context import get_current

        return get_current()

    def close(self) -> None:
        self._provider.shutdown()

    @contextmanager
    def _within(self, span: OtelSpan) -> Iterator[Span]:
        from opentelemetry.trace import Status, StatusCode, use_span

        with use_span(span, True, record_exception=False, set_status_on_exception=False):
            try:
                yield _OtelSpan(span)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def _as_context(parent: object) -> OtelContext | None:
    from opentelemetry.context import Context

    return parent if isinstance(parent, Context) else None
