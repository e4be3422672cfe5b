"""Metadata that no honest client sends: what it leaves in the log."""

from __future__ import annotations

import logging

from dlpo.v1 import speech_pb2
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer
from tests.serving.resilience.conftest import Http2


class Written(logging.Handler):
    """Counts the bytes of a log."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record)


def test_non_utf_8_metadata_leaks_and_logs_nothing(server: RunningServer, raw_http2: Http2) -> None:
    written, root = Written(), logging.getLogger()
    root.addHandler(written)
    secret, sent = b"Bearer dlpo-SECRET-TOKEN" + b"\xff" * 70, 0
    try:
        hostile = raw_http2(server.address)
        for number in range(200):
            sent += hostile.begin(
                "/dlpo.v1.SpeechService/Nothing", 2 * number + 1, more={b"authorization": secret}
            )
        hostile.hear_ends(200)
        request = speech_pb2.SynthesizeRequest(text="Hi.")
        assert server.stub.Synthesize(request, timeout=WAIT_S).audio
    finally:
        root.removeHandler(written)
    assert "SECRET" not in written.text
    assert "not UTF-8" in written.text
    assert len(written.text) < 0.1 * sent
