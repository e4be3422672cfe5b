"""What a call to a whole server leaves behind: spans, figures, one line of log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages

from dlpo.v1 import speech_pb2
from dlpo_serving.operations import logs
from dlpo_serving.operations.keys import new_key
from dlpo_serving.synthesizer import Synthesizer

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TEXT = "A very private sentence. And a second one."


@contextmanager
def collector(got: list[Span]) -> Iterator[str]:
    """An OTLP collector; yields its endpoint."""

    def export(request: Any, context: Any) -> messages.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                got.extend(scope.spans)
        return messages.ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        messages.ExportTraceServiceRequest.FromString,
        messages.ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"http://127.0.0.1:{port}"
        server.stop(None).wait()


def test_a_call_leaves_spans_of_all_that_was_done_for_it(
    synthesizer: Synthesizer, start_server: Callable[..., Any]
) -> None:
    trace, got = "4bf92f3577b34da6a3ce929d0e0e4736", list[Any]()

    with collector(got) as endpoint:
        server = start_server(synthesizer, otlp_endpoint=endpoint)
        request = speech_pb2.StreamSynthesizeRequest(text=TEXT)
        metadata = (("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),)
        replies = list(server.stub.StreamSynthesize(request, metadata=metadata))
        server.stop()
        server.thread.join()

    (call,) = [span for span in got if span.name.endswith("StreamSynthesize")]
    assert {span.trace_id.hex() for span in got} == {trace}
    parts = [span for span in got if span is not call]
    assert {span.name for span in parts} == {
        "normalise", "queue", "encode", "frames", "decode chunk", "encode audio",
    }  # fmt: skip
    assert {span.parent_span_id for span in parts} == {call.span_id}
    chunks = [reply for reply in replies if reply.HasField("audio")]
    assert len([span for span in parts if span.name == "decode chunk"]) >= len(chunks) > 1
    assert b"private" not in b"".join(span.SerializeToString() for span in got)


def test_a_call_leaves_one_line_of_log_without_its_text_or_token(
    synthesizer: Synthesizer,
    start_server: Callable[..., Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = new_key(tmp_path / "keys.toml", "alice")

    with caplog.at_level(logging.DEBUG):
        server = start_server(synthesizer, keys_file=tmp_path / "keys.toml")
        request = speech_pb2.StreamSynthesizeRequest(text=TEXT)
        metadata = (("authorization", f"Bearer {token}"),)
        list(server.stub.StreamSynthesize(request, metadata=metadata))
        server.stop()
        server.thread.join()

    lines = [logs._JsonFormatter().format(record) for record in caplog.records]
    (call,) = [line for line in map(json.loads, lines) if line["event"] == "call"]
    assert call["caller"] == "alice"
    assert call["chars"] == len(TEXT)
    assert call["code"] == "OK"
    assert call["audio_s"] > 0
    assert call["ttfa_ms"] > 0
    assert call["rtf"] > 0
    assert "private" not in "".join(lines)
    assert token not in "".join(lines)
