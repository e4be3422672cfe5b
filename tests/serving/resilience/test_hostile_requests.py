"""Requests that are made to do harm, at every door: a status answers, the neighbour hears all."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import grpc
import pytest

from dlpo.v1 import speech_pb2
from dlpo_serving.riva.proto import riva_tts_pb2 as riva

TIMEOUT_S = 30.0
DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE s [<!ENTITY l0 "ha">{LAUGHS}]><speak>&l9;</speak>',
    "blow-up": f'<!DOCTYPE s [<!ENTITY a "{"a" * 1000}">]><speak>{"&a;" * 200}</speak>',
    "file": '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><speak>&a;</speak>',
    "depth": "<speak>" + "<p>" * 250 + "a" + "</p>" * 250 + "</speak>",
}


def grpc_status(server: Any, method: str, *messages: Any) -> str:
    raw = [message.SerializeToString() for message in messages]
    try:
        list(server.channel.stream_stream(method)(iter(raw), timeout=TIMEOUT_S))
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


REFUSED = {
    **{bomb: (text, "INVALID_ARGUMENT", 400) for bomb, text in BOMBS.items()},
    "nothing": ("", "INVALID_ARGUMENT", 400),
    "marks": (" ?! ...", "INVALID_ARGUMENT", 400),
    "200,000 characters": ("word " * 40_000, "INVALID_ARGUMENT", 400),
    "8 MiB": ("a" * (8 << 20), "RESOURCE_EXHAUSTED", 413),  # by gRPC itself
}


@pytest.mark.parametrize("what", REFUSED)
def test_bombs_nothing_and_too_much_are_refused_at_every_door(
    what: str,
    attacked: Callable[..., Any],
    http_speech: Callable[..., http.client.HTTPResponse],
) -> None:
    text, status, http_status = REFUSED[what]
    is_ssml = what in BOMBS
    request = speech_pb2.SynthesizeRequest(**{"ssml" if is_ssml else "text": text})
    theirs = riva.SynthesizeSpeechRequest(text=text)
    pieces = [
        speech_pb2.IncrementalSynthesizeRequest(config={}),
        speech_pb2.IncrementalSynthesizeRequest(text=text),
    ]
    calls = [
        (f"{DLPO}Synthesize", request),
        (f"{DLPO}StreamSynthesize", request),
        (f"{RIVA}Synthesize", theirs),
        (f"{RIVA}SynthesizeOnline", theirs),
    ]
    if not is_ssml:
        calls.append((f"{DLPO}IncrementalSynthesize", *pieces))
    with attacked(http_port=0) as server:
        assert {grpc_status(server, *call) for call in calls} == {status}
        reply = http_speech(server.http_url.split("/")[2], input=text, ssml=is_ssml)
        assert reply.status == http_status
        assert b"root:" not in reply.read()


def test_http_requests_in_one_connection_do_not_change_each_other(
    attacked: Callable[..., Any], http_speech: Callable[..., http.client.HTTPResponse]
) -> None:
    """Sent in one piece, the second with other settings while the first is being spoken."""
    requests = [{"input": "One fish. " * 20, "seed": seed} for seed in (1, 2)]
    piece = b""
    for fields in requests:
        body = json.dumps({"response_format": "pcm", **fields})
        lines = ["POST /v1/audio/speech HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
        piece += "\r\n".join([*lines, "Content-Type: application/json", "", body]).encode()
    with attacked(http_port=0) as server:
        address = server.http_url.split("/")[2]
        alone = [http_speech(address, **fields).read() for fields in requests]
        with closing(http.client.HTTPConnection(address, timeout=TIMEOUT_S)) as connection:
            connection.connect()
            connection.sock.sendall(piece)
            with connection.sock.makefile("rb") as stream:
                together = [body_of(stream) for _ in requests]

    assert alone[0] != alone[1]
    assert together == alone


def body_of(stream: Any) -> bytes:
    """The next reply's body, by chunks. Reference: RFC 9112, section 7.1."""
    assert stream.readline().startswith(b"HTTP/1.1 200")
    while stream.readline().strip():
        pass
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body
