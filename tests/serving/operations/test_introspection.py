"""Reflection, channelz, and health on a port of its own, of a whole server."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc._cython.cygrpc import ExecuteBatchError
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dlpo.errors import MissingExtraError
from dlpo_serving.endpoints import SERVICES, add_channelz, caller_stayed
from dlpo_serving.synthesizer import Synthesizer

TIMEOUT_S = 20.0


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_health_port_has_health_alone_and_garbage_there_is_one_quiet_line(
    synthesizer: Synthesizer,
    start_server: Callable[..., Any],
    free_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_server(synthesizer, health_port=free_port)
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        reply = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING

        with caplog.at_level(logging.DEBUG), pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff" * 9, timeout=TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert {record.levelno for record in caplog.records} <= {logging.DEBUG}

        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/dlpo.v1.SpeechService/Synthesize")(b"", timeout=TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_reflection_and_channelz_show_the_server(
    synthesizer: Synthesizer, start_server: Callable[..., Any]
) -> None:
    server = start_server(synthesizer, channelz=True)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    reflection = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    answer = next(reflection.ServerReflectionInfo(iter([ask]), timeout=TIMEOUT_S))
    channelz = channelz_pb2_grpc.ChannelzStub(server.channel)
    servers = channelz.GetServers(channelz_pb2.GetServersRequest(), timeout=TIMEOUT_S).server

    names = {service.name for service in answer.list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}
    assert servers


def test_channelz_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_channelz.v1", None)

    async def add() -> None:
        add_channelz(grpc.aio.server())

    with pytest.raises(MissingExtraError, match=r"grpcio-channelz.*dlpo\[serve\]"):
        asyncio.run(add())


def record_of(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord("grpc", logging.ERROR, "", 0, "raised", (), sys.exc_info())


def test_a_caller_who_left_before_the_status_leaves_no_traceback() -> None:
    assert not caller_stayed(record_of(ExecuteBatchError("send status")))


def test_every_other_error_is_logged() -> None:
    assert caller_stayed(record_of(ValueError("our own fault")))
    assert caller_stayed(logging.LogRecord("grpc", logging.INFO, "", 0, "no error", (), None))
