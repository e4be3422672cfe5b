"""What a gRPC server says of itself."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dlpo.errors import InputError, MissingExtraError
from dlpo_serving.endpoints import (
    CHANNELZ_OPTION,
    add_channelz,
    add_reflection,
    start_health_port,
)

TIMEOUT_S = 20.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, TIMEOUT_S))


def test_the_health_port_says_what_the_servicer_says_and_nothing_else() -> None:
    async def test() -> None:
        servicer = health.aio.HealthServicer()
        await servicer.set("", NOT_SERVING)
        server, port = await start_health_port("127.0.0.1:0", servicer)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
            await servicer.set("", SERVING)
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == SERVING

            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/dlpo.v1.SpeechService/Synthesize")(b"")
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        await server.stop(0)

    run(test())


def test_a_health_port_that_is_taken_is_refused_with_advice() -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(InputError, match=f"can't listen on 127.0.0.1:{port} for health"):
                await start_health_port(f"127.0.0.1:{port}", health.aio.HealthServicer())

    run(test())


def test_reflection_lists_the_services_and_itself() -> None:
    async def test() -> None:
        server = grpc.aio.server()
        add_reflection(server, ["grpc.health.v1.Health"])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            call = stub.ServerReflectionInfo(iter([ask]))
            answer = await anext(aiter(call))
        await server.stop(0)

        names = {service.name for service in answer.list_services_response.service}
        assert names == {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}

    run(test())


def test_channelz_lists_the_server() -> None:
    async def test() -> None:
        server = grpc.aio.server(options=(CHANNELZ_OPTION,))
        add_channelz(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = channelz_pb2_grpc.ChannelzStub(channel)
            answer = await stub.GetServers(channelz_pb2.GetServersRequest(start_server_id=0))
        await server.stop(0)

        assert len(answer.server) >= 1

    run(test())


def test_channelz_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_channelz.v1", None)

    async def test() -> None:
        with pytest.raises(MissingExtraError, match=r"grpcio-channelz.*dlpo\[serve\]"):
            add_channelz(grpc.aio.server())

    run(test())
