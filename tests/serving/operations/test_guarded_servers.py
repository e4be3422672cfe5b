"""A whole server behind mutual TLS and keys, its plain port for probes, and reflection."""

from __future__ import annotations

import logging
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc._cython.cygrpc import ExecuteBatchError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from dlpo.v1 import speech_pb2
from dlpo_serving.operations.keys import new_key
from dlpo_serving.protocols.endpoints import SERVICES, caller_stayed
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.rpc.interceptor import REFLECTION
from tests.callers import WAIT_S, free_port
from tests.serving.conftest import StartServer

if TYPE_CHECKING:
    from conftest import Authority, Issued

DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
METHODS = {
    f"{DLPO}Synthesize": speech_pb2.SynthesizeRequest(text="Hello."),
    f"{DLPO}StreamSynthesize": speech_pb2.StreamSynthesizeRequest(text="Hello."),
    f"{DLPO}IncrementalSynthesize": speech_pb2.IncrementalSynthesizeRequest(config={}),
    f"{DLPO}ListVoices": speech_pb2.ListVoicesRequest(),
    f"{RIVA}Synthesize": riva.SynthesizeSpeechRequest(text="Hello."),
    f"{RIVA}SynthesizeOnline": riva.SynthesizeSpeechRequest(text="Hello."),
    f"{RIVA}GetRivaSynthesisConfig": riva.RivaSynthesisConfigRequest(),
}
SERVING = health_pb2.HealthCheckResponse.SERVING


class Guarded:
    """The server, and callers with and without what it asks for."""

    def __init__(self, start_server: StartServer, ca: Authority, folder: Path) -> None:
        served = ca.issue("server")
        self.ca = ca
        self.client = ca.issue("client")
        self.token = new_key(folder / "keys.toml", "alice")
        self.http_port = free_port()
        self.health_port = free_port()
        self.server = start_server(
            tls_certificate=served.certificate,
            tls_key=served.key,
            tls_client_ca=ca.path,
            keys_file=folder / "keys.toml",
            http_port=self.http_port,
            health_port=self.health_port,
            open_reflection=False,
        )

    def channel(self, client: Issued | None) -> grpc.Channel:
        options = (("grpc.use_local_subchannel_pool", 1),)
        return grpc.secure_channel(self.server.address, self.ca.credentials(client), options)

    def speak(self, client: Issued | None, header: str, method: str = f"{DLPO}Synthesize") -> str:
        """The status of a call by a method of `METHODS`."""
        metadata = [("authorization", header)] if header else []
        with self.channel(client) as channel:
            call = channel.stream_stream(method)
            messages = iter([METHODS[method].SerializeToString()])
            try:
                list(call(messages, metadata=metadata, timeout=WAIT_S))
            except grpc.RpcError as error:
                return str(error.code().name)
        return "OK"

    def get(self, path: str, client: Issued | None, header: str = "") -> int:
        url = f"https://127.0.0.1:{self.http_port}{path}"
        headers = {"Authorization": header} if header else {}
        request = urllib.request.Request(url, headers=headers)
        try:
            context = self.ca.context(client)
            with urllib.request.urlopen(request, timeout=WAIT_S, context=context) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def guarded(start_server: StartServer, authority: Authority, tmp_path: Path) -> Guarded:
    return Guarded(start_server, authority, tmp_path)


def forgeries(token: str) -> list[str]:
    return ["", "Bearer ", f"Bearer {token[:-1]}", f"Bearer {token}x", token, f"Basic {token}"]


def test_every_port_needs_a_known_certificate_and_token(
    guarded: Guarded, stranger: Authority
) -> None:
    right, thief = f"Bearer {guarded.token}", stranger.issue("thief")
    assert guarded.speak(guarded.client, right) == "OK"
    assert guarded.get("/v1/voices", guarded.client, right) == 200
    for forged in forgeries(guarded.token):
        refused = {guarded.speak(guarded.client, forged, method) for method in METHODS}
        assert refused == {"UNAUTHENTICATED"}
        assert guarded.get("/v1/voices", guarded.client, forged) == 401
    for client in (None, thief):
        assert guarded.speak(client, right) == "UNAVAILABLE"
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            guarded.get("/v1/voices", client, right)


def test_reflection_that_is_not_open_is_for_those_with_a_token(guarded: Guarded) -> None:
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    with guarded.channel(guarded.client) as channel:
        for version in REFLECTION:  # newer tools ask for v1 first; its messages are the same
            ask = channel.stream_stream(
                f"/{version}/ServerReflectionInfo",
                reflection_pb2.ServerReflectionRequest.SerializeToString,
                reflection_pb2.ServerReflectionResponse.FromString,
            )
            with pytest.raises(grpc.RpcError) as caught:
                next(ask(iter([question]), timeout=WAIT_S))
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
            metadata = [("authorization", f"Bearer {guarded.token}")]
            (answer,) = ask(iter([question]), metadata=metadata, timeout=WAIT_S)
            names = {service.name for service in answer.list_services_response.service}
            assert names >= {*SERVICES, "grpc.health.v1.Health"}


def test_health_needs_no_token_and_on_its_port_no_tls(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    request = health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService")
    with guarded.channel(guarded.client) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request).status == SERVING
    with grpc.insecure_channel(f"127.0.0.1:{guarded.health_port}") as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request).status == SERVING
        # Garbage is one quiet line, and there is nothing but health.
        with caplog.at_level(logging.DEBUG), pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff" * 9, timeout=WAIT_S)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert {record.levelno for record in caplog.records} <= {logging.DEBUG}

        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/dlpo.v1.SpeechService/Synthesize")(b"", timeout=WAIT_S)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("error", "logged"),
    [(ExecuteBatchError("send status"), False), (ValueError("our own fault"), True), (None, True)],
)
def test_a_caller_who_left_before_the_status_leaves_no_traceback(
    error: Exception | None, logged: bool
) -> None:
    info = error and (type(error), error, None)
    record = logging.LogRecord("grpc", logging.ERROR, "", 0, "raised", (), info)
    assert caller_stayed(record) is logged
