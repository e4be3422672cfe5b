"""A whole server behind mutual TLS and keys: gRPC, HTTP, and the plain port for probes."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.operations.keys import new_key
from dlpo_serving.synthesizer import Synthesizer

if TYPE_CHECKING:
    from conftest import Authority, Issued

TIMEOUT_S = 20.0
SERVING = health_pb2.HealthCheckResponse.SERVING


class Guarded:
    """The server, and callers with and without what it asks for."""

    def __init__(
        self,
        start_server: Callable[..., Any],
        synthesizer: Synthesizer,
        ca: Authority,
        folder: Path,
    ) -> None:
        served = ca.issue("server")
        self.ca, self.client = ca, ca.issue("client")
        self.token = new_key(folder / "keys.toml", "alice")
        self.http_port, self.health_port = free_port(), free_port()
        self.server = start_server(
            synthesizer,
            tls_certificate=served.certificate,
            tls_key=served.key,
            tls_client_ca=ca.path,
            keys_file=folder / "keys.toml",
            http_port=self.http_port,
            health_port=self.health_port,
            channelz=True,
        )

    def channel(self, client: Issued | None) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(
            self.ca.path.read_bytes(),
            client and client.key.read_bytes(),
            client and client.certificate.read_bytes(),
        )
        options = (("grpc.use_local_subchannel_pool", 1),)
        return grpc.secure_channel(self.server.address, credentials, options)

    def speak(self, client: Issued | None, token: str) -> str:
        request = speech_pb2.SynthesizeRequest(text="Hello.")
        metadata = [("authorization", f"Bearer {token}")] if token else []
        with self.channel(client) as channel:
            stub = speech_pb2_grpc.SpeechServiceStub(channel)
            try:
                reply = stub.Synthesize(request, metadata=metadata, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                return str(error.code().name)
        return "spoken" if reply.audio else "silent"

    def get(self, path: str, client: Issued | None, token: str = "") -> int:
        context = ssl.create_default_context(cafile=str(self.ca.path))
        if client:
            context.load_cert_chain(client.certificate, client.key)
        url = f"https://127.0.0.1:{self.http_port}{path}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def guarded(
    start_server: Callable[..., Any], synthesizer: Synthesizer, authority: Authority, tmp_path: Path
) -> Guarded:
    return Guarded(start_server, synthesizer, authority, tmp_path)


def test_who_may_speak_over_grpc(guarded: Guarded, stranger: Authority) -> None:
    assert guarded.speak(guarded.client, guarded.token) == "spoken"
    assert guarded.speak(guarded.client, "") == "UNAUTHENTICATED"
    assert guarded.speak(guarded.client, "forged") == "UNAUTHENTICATED"
    assert guarded.speak(None, guarded.token) == "UNAVAILABLE"
    assert guarded.speak(stranger.issue("thief"), guarded.token) == "UNAVAILABLE"


def test_who_may_ask_over_http(guarded: Guarded, stranger: Authority) -> None:
    assert guarded.get("/v1/voices", guarded.client, guarded.token) == 200
    assert guarded.get("/v1/voices", guarded.client) == 401
    assert guarded.get("/readyz", guarded.client) == 200
    for client in (None, stranger.issue("thief")):
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            guarded.get("/v1/voices", client, guarded.token)


def test_health_needs_no_token_and_on_its_port_no_tls(guarded: Guarded) -> None:
    request = health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService")
    with guarded.channel(guarded.client) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request).status == SERVING
    with grpc.insecure_channel(f"127.0.0.1:{guarded.health_port}") as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request).status == SERVING


def test_channelz_is_for_those_with_a_token(guarded: Guarded) -> None:
    request = channelz_pb2.GetServersRequest(start_server_id=0)
    with guarded.channel(guarded.client) as channel:
        stub = channelz_pb2_grpc.ChannelzStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetServers(request, timeout=TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        metadata = [("authorization", f"Bearer {guarded.token}")]
        assert stub.GetServers(request, metadata=metadata, timeout=TIMEOUT_S).server
