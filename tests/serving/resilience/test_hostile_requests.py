"""Requests that are made to do harm, at every door: a status answers, the neighbour hears all."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dlpo.v1 import speech_pb2
from dlpo_serving.client import SpeechClient, Tls
from dlpo_serving.operations.keys import new_key
from dlpo_serving.request import SpeechRequest
from dlpo_serving.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.synthesizer import Synthesizer

TIMEOUT_S = 30.0
DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE s [<!ENTITY l0 "ha">{LAUGHS}]><speak>&l9;</speak>',
    "blow-up": f'<!DOCTYPE s [<!ENTITY a "{"a" * 1000}">]><speak>{"&a;" * 200}</speak>',
    "file": '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><speak>&a;</speak>',
    "depth": "<speak>" + "<p>" * 250 + "a" + "</p>" * 250 + "</speak>",
}
RIVA_PYTHON = os.environ.get("DLPO_RIVA_VENV", ".venv-riva") + "/bin/python"
RIVA_CALL = """
import sys, grpc, riva.client
address, authority, token = sys.argv[1:]
meta = [["authorization", f"Bearer {token}"]] if token else None
auth = riva.client.Auth(authority, True, address, metadata_args=meta)
service = riva.client.SpeechSynthesisService(auth)
try:
    print(len(b"".join(reply.audio for reply in service.synthesize_online("Hello."))) > 1000)
except grpc.RpcError as error:
    print(error.code().name)
"""


def grpc_status(server: Any, method: str, *messages: Any, **call: Any) -> str:
    channel = call.pop("channel", None) or server.channel
    raw = [message.SerializeToString() for message in messages]
    try:
        list(channel.stream_stream(method)(iter(raw), timeout=TIMEOUT_S, **call))
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@pytest.mark.parametrize("bomb", BOMBS)
def test_entity_bombs_are_refused_at_every_door(
    bomb: str,
    synthesizer: Synthesizer,
    patient_server: Callable[..., Any],
    neighbour: Callable[..., Any],
    http_speech: Callable[..., http.client.HTTPResponse],
) -> None:
    server = patient_server(synthesizer, http_port=0)
    request = speech_pb2.SynthesizeRequest(ssml=BOMBS[bomb])
    theirs = riva.SynthesizeSpeechRequest(text=BOMBS[bomb])
    with neighbour(server.address) as other:
        statuses = {
            grpc_status(server, f"{DLPO}Synthesize", request),
            grpc_status(server, f"{DLPO}StreamSynthesize", request),
            grpc_status(server, f"{RIVA}Synthesize", theirs),
            grpc_status(server, f"{RIVA}SynthesizeOnline", theirs),
        }
        page = server.http_url.split("/")[2]
        reply = http_speech(page, input=BOMBS[bomb], ssml=True)
        other.hears_all()

    assert statuses == {"INVALID_ARGUMENT"}
    assert reply.status == 400
    assert b"root:" not in reply.read()


@pytest.mark.parametrize(
    ("text", "status", "http_status"),
    [
        ("", "INVALID_ARGUMENT", 400),
        (" ?! ...", "INVALID_ARGUMENT", 400),
        ("word " * 40_000, "INVALID_ARGUMENT", 400),
        ("a" * (8 << 20), "RESOURCE_EXHAUSTED", 413),  # by gRPC itself
    ],
    ids=["nothing", "marks", "200,000 characters", "8 MiB"],
)
def test_nothing_and_too_much_are_refused_at_every_door(
    text: str,
    status: str,
    http_status: int,
    synthesizer: Synthesizer,
    patient_server: Callable[..., Any],
    neighbour: Callable[..., Any],
    http_speech: Callable[..., http.client.HTTPResponse],
) -> None:
    server = patient_server(synthesizer, http_port=0)
    request = speech_pb2.SynthesizeRequest(text=text)
    pieces = [
        speech_pb2.IncrementalSynthesizeRequest(config={}),
        speech_pb2.IncrementalSynthesizeRequest(text=text),
    ]
    theirs = riva.SynthesizeSpeechRequest(text=text)
    with neighbour(server.address) as other:
        statuses = {
            grpc_status(server, f"{DLPO}Synthesize", request),
            grpc_status(server, f"{DLPO}StreamSynthesize", request),
            grpc_status(server, f"{DLPO}IncrementalSynthesize", *pieces),
            grpc_status(server, f"{RIVA}Synthesize", theirs),
            grpc_status(server, f"{RIVA}SynthesizeOnline", theirs),
        }
        reply = http_speech(server.http_url.split("/")[2], input=text)
        other.hears_all()

    assert statuses == {status}
    assert reply.status == http_status


def test_settings_that_change_amid_a_stream_end_it(
    synthesizer: Synthesizer, patient_server: Callable[..., Any], neighbour: Callable[..., Any]
) -> None:
    server = patient_server(synthesizer)
    Piece = speech_pb2.IncrementalSynthesizeRequest
    config = speech_pb2.SynthesisConfig(seed=1)
    ours = [Piece(config=config), Piece(text="One. "), Piece(config=config)]
    one, two = (riva.SynthesizeSpeechRequest(text="One.", sample_rate_hz=r) for r in (8000, 16000))
    with neighbour(server.address) as other:
        for _ in range(5):
            status = grpc_status(server, f"{DLPO}IncrementalSynthesize", *ours)
            assert status == "INVALID_ARGUMENT"
            status = grpc_status(server, f"{RIVA}SynthesizeOnline", one, two)
            assert status == "INVALID_ARGUMENT"
        other.hears_all()


def test_http_requests_in_one_connection_do_not_change_each_other(
    synthesizer: Synthesizer, patient_server: Callable[..., Any], neighbour: Callable[..., Any]
) -> None:
    """Sent in one piece, the second with other settings while the first is being spoken."""
    server = patient_server(synthesizer, http_port=0)
    address = server.http_url.split("/")[2]
    bodies = [{"input": "One fish. " * 20, "seed": seed} for seed in (1, 2)]

    def head(body: bytes) -> bytes:
        lines = ["POST /v1/audio/speech HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json", "", ""]
        return "\r\n".join(lines).encode()

    raw = [json.dumps({"response_format": "pcm", **body}).encode() for body in bodies]
    with neighbour(server.address) as other:
        alone = []
        for part in raw:
            connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
            kind = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/audio/speech", part, kind)
            alone.append(connection.getresponse().read())
            connection.close()
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.connect()
        connection.sock.sendall(b"".join(head(part) + part for part in raw))
        stream = connection.sock.makefile("rb")
        together = [body_of(stream) for _ in raw]
        stream.close()
        connection.close()
        other.hears_all()

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


@dataclass(frozen=True)
class Guarded:
    """A server with TLS and keys."""

    server: Any
    authority: Path
    token: str

    @property
    def address(self) -> str:
        return f"localhost:{self.server.address.rpartition(':')[2]}"


@pytest.fixture
def guarded(
    tmp_path: Path, synthesizer: Synthesizer, patient_server: Callable[..., Any]
) -> Guarded:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "tls.crt").write_bytes(certificate.public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "tls.key").touch(0o600)
    (tmp_path / "tls.key").write_bytes(key.private_bytes(pem, *plain))
    token = new_key(tmp_path / "keys.toml", "alice")
    server = patient_server(
        synthesizer,
        http_port=0,
        tls_certificate=tmp_path / "tls.crt",
        tls_key=tmp_path / "tls.key",
        keys_file=tmp_path / "keys.toml",
    )
    return Guarded(server, tmp_path / "tls.crt", token)


def forgeries(token: str) -> list[str]:
    return ["", "Bearer ", f"Bearer {token[:-1]}", f"Bearer {token}x", token, f"Basic {token}"]


def test_forged_tokens_are_refused_at_every_door_under_tls(
    guarded: Guarded, neighbour: Callable[..., Any]
) -> None:
    tls = Tls(ca=guarded.authority)
    credentials = grpc.ssl_channel_credentials(guarded.authority.read_bytes())
    context = ssl.create_default_context(cafile=str(guarded.authority))
    port = int(guarded.server.http_url.split(":")[-1].rstrip("/"))
    requests = {
        f"{DLPO}Synthesize": speech_pb2.SynthesizeRequest(text="Hello."),
        f"{DLPO}StreamSynthesize": speech_pb2.StreamSynthesizeRequest(text="Hello."),
        f"{DLPO}IncrementalSynthesize": speech_pb2.IncrementalSynthesizeRequest(config={}),
        f"{DLPO}ListVoices": speech_pb2.ListVoicesRequest(),
        f"{RIVA}Synthesize": riva.SynthesizeSpeechRequest(text="Hello."),
        f"{RIVA}SynthesizeOnline": riva.SynthesizeSpeechRequest(text="Hello."),
        f"{RIVA}GetRivaSynthesisConfig": riva.RivaSynthesisConfigRequest(),
    }
    with (
        neighbour(guarded.address, tls=tls, token=guarded.token) as other,
        grpc.secure_channel(guarded.address, credentials) as channel,
    ):

        def status(method: str, header: str) -> str:
            metadata = (("authorization", header),) if header else ()
            message = requests[method]
            return grpc_status(guarded.server, method, message, channel=channel, metadata=metadata)

        def http_status(header: str) -> int:
            connection = http.client.HTTPSConnection("localhost", port, context=context)
            headers = {"Content-Type": "application/json"}
            headers |= {"Authorization": header} if header else {}
            connection.request("POST", "/v1/audio/speech", '{"input": "Hello."}', headers)
            code = connection.getresponse().status
            connection.close()
            return code

        for forged in forgeries(guarded.token):
            assert {status(method, forged) for method in requests} == {"UNAUTHENTICATED"}
            assert http_status(forged) == 401
        right = f"Bearer {guarded.token}"
        assert status(f"{RIVA}SynthesizeOnline", right) == "OK"
        assert http_status(right) == 200
        other.hears_all()
        with SpeechClient(guarded.address, tls=tls, token=guarded.token) as client:
            assert client.speak(SpeechRequest("Hello."), timeout_s=TIMEOUT_S).audio


@pytest.mark.full
@pytest.mark.skipif(not Path(RIVA_PYTHON).exists(), reason=f"there is no {RIVA_PYTHON}")
def test_nvidias_own_client_is_let_in_over_tls_with_its_token_only(guarded: Guarded) -> None:
    def ask(token: str) -> str:
        arguments = [guarded.address, str(guarded.authority), token]
        command = [RIVA_PYTHON, "-c", RIVA_CALL, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
        return done.stdout.strip()

    assert ask(guarded.token) == "True"
    assert ask("") == ask(f"{guarded.token}x") == "UNAUTHENTICATED"
