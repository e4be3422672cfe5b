"""Any input by any protocol: a status that blames the caller, or speech."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpo.v1 import speech_pb2
from dlpo_serving.protocols.grpc.server import SERVICE
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.protocols.riva.server import RIVA_SERVICE
from tests.serving.conftest import RunningServer, StartServer
from tests.serving.protocols.callers import by_grpc

pytestmark = pytest.mark.full

TIMEOUT_S = 30.0
DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
OURS = [
    f"/{service.full_name}/{method}"
    for service in (SERVICE, RIVA_SERVICE)
    for method in service.methods_by_name
]
FOREIGN = (
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)
EXPECTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
EXAMPLES = 200

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,  # the machine is shared
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one server for all examples
)

texts = st.one_of(
    st.text(max_size=40),
    st.text("<>/&;\"'= speakbrprosodyxml:!DOCTYPE[]0123456789%$.,-", max_size=80),
    st.sampled_from(["", "Hello.", "<speak>One</speak>", "\0", "\ud7ff", "$5 3/4 1e999"]),
)
numbers = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e-45, 1e308, float("nan"), float("inf")])
)
wholes = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 3, 8000, 22050, 48000]))
signed = st.integers(-(2**31), 2**31 - 1)
configs = st.builds(
    speech_pb2.SynthesisConfig,
    voice=st.sampled_from(["", "fake", "nobody", "\x7f" * 100]),
    speed=numbers.map(lambda x: max(-3e38, min(x, 3e38))),
    pitch_semitones=numbers.map(lambda x: max(-3e38, min(x, 3e38))),
    volume_db=numbers.map(lambda x: max(-3e38, min(x, 3e38))),
    seed=wholes,
    steps=wholes,
    dictionary=st.dictionaries(texts, texts, max_size=2),
    encoding=st.one_of(st.integers(0, 12), signed),
    sample_rate_hz=wholes,
    time_detail=st.one_of(st.integers(0, 4), signed),
)
requests = st.one_of(
    st.builds(speech_pb2.SynthesizeRequest, text=texts, config=configs),
    st.builds(speech_pb2.SynthesizeRequest, ssml=texts, config=configs),
)
pieces = st.one_of(
    st.builds(speech_pb2.IncrementalSynthesizeRequest, text=texts),
    st.builds(speech_pb2.IncrementalSynthesizeRequest, config=configs),
    st.builds(speech_pb2.IncrementalSynthesizeRequest, flush=st.builds(speech_pb2.Flush)),
    st.builds(speech_pb2.IncrementalSynthesizeRequest),
)
conversations = st.one_of(
    st.lists(pieces, max_size=4),
    st.lists(pieces, max_size=3).map(
        lambda rest: [speech_pb2.IncrementalSynthesizeRequest(config={}), *rest]
    ),
)
riva_requests = st.builds(
    riva.SynthesizeSpeechRequest,
    text=texts,
    language_code=st.sampled_from(["", "en-US", "EN", "de-DE", "\n"]),
    encoding=st.one_of(st.integers(0, 5), signed),
    sample_rate_hz=st.one_of(st.sampled_from([0, 8000, 16000, 44100]), signed),
    voice_name=st.sampled_from(["", "fake", "English-US.Female-1", "x" * 300]),
    custom_dictionary=texts,
    custom_configuration=st.dictionaries(
        st.sampled_from(["speed", "seed", "steps", "volume_db", "?"]),
        st.one_of(texts, numbers.map(str), wholes.map(str)),
        max_size=2,
    ),
    enable_word_time_offsets=st.booleans(),
)
values = st.recursive(
    st.one_of(texts, numbers, wholes, signed, st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(texts, inner, max_size=2)),
    max_leaves=4,
)
fields = st.sampled_from((
    "voice", "response_format", "speed", "stream_format", "sample_rate", "seed", "steps",
    "pitch_semitones", "volume_db", "ssml", "dictionary", "timeout_s", "model", "?",
))  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda text, rest: json.dumps({"input": text, **rest}).encode(),
        st.one_of(texts, values),
        st.dictionaries(fields, values, max_size=2),
    ),
)
names = st.sampled_from((
    b"Authorization", b"Content-Type", b"Transfer-Encoding", b"x-request-id", b"traceparent",
    b"Expect", b"Range", b"Content-Length", b"Host", b"?",
))  # fmt: skip
lines = st.one_of(
    st.binary(max_size=40),
    st.tuples(names, st.binary(max_size=30)).map(b": ".join),
)
firsts = st.sampled_from((
    b"GET /metrics HTTP/1.1", b"POST /v1/audio/speech HTTP/1.1", b"GET /%00..%2f HTTP/1.1",
    b"OPTIONS * HTTP/1.1", b"GET /v1/models/%ff HTTP/1.0", b"POST / HTTP/9.9",
))  # fmt: skip


@pytest.fixture
def server(patient_server: StartServer) -> RunningServer:
    return patient_server(http_port=0)


def status(server: RunningServer, method: str, messages: list[bytes]) -> str:
    code, _, details = by_grpc(server, method, *messages).partition(" ")
    assert "Traceback" not in details
    return code


def packed(methods: list[str], messages: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    encoded = messages.map(lambda sent: [message.SerializeToString() for message in sent])
    return st.tuples(st.sampled_from(methods), encoded)


@pytest.mark.parametrize(
    "calls",
    [
        st.tuples(st.sampled_from([*OURS, *FOREIGN]), st.lists(st.binary(max_size=60), max_size=2)),
        packed([f"{DLPO}Synthesize", f"{DLPO}StreamSynthesize"], requests.map(lambda one: [one])),
        packed([f"{DLPO}IncrementalSynthesize"], conversations),
        packed(
            [f"{RIVA}Synthesize", f"{RIVA}SynthesizeOnline"],
            st.lists(riva_requests, min_size=1, max_size=2),
        ),
    ],
    ids=["bytes", "dlpo", "conversation", "riva"],
)
@fuzzed
@given(data=st.data())
def test_any_messages_have_a_status(server: RunningServer, calls: Any, data: Any) -> None:
    method, messages = data.draw(calls)
    if method in FOREIGN:
        assert not messages or status(server, method, messages) != "INTERNAL"
    else:
        assert status(server, method, messages) in EXPECTED


@fuzzed
@given(body=bodies)
def test_any_body_has_a_status(server: RunningServer, body: bytes) -> None:
    connection = http.client.HTTPConnection(server.http_url.split("/")[2], timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/audio/speech", body, headers)
        reply = connection.getresponse()
        reply.read()
        assert reply.status in (200, 400, 404, 504), body  # 504: a timeout_s that is too short
    finally:
        connection.close()


@fuzzed
@given(first=st.one_of(st.binary(max_size=40), firsts), headers=st.lists(lines, max_size=4))
def test_any_header_is_answered_or_the_connection_ends(
    server: RunningServer, first: bytes, headers: list[bytes]
) -> None:
    host, port = server.http_url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        connection.sendall(b"\r\n".join([first, *headers, b"Connection: close", b"", b""]))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), answer[:200]
