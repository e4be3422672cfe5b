"""`dlpo health`: the exit code tells whether a server takes calls."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dlpo.errors import InputError
from dlpo_serving.settings.server_settings import ServerSettings, health_address
from tests.callers import command

run = partial(command, "health", DLPO_CONFIG=None)


STATUS = health_pb2.HealthCheckResponse


@pytest.fixture
def servicer() -> health.HealthServicer:
    servicer = health.HealthServicer()
    servicer.set("", STATUS.SERVING)
    servicer.set("liveness", STATUS.SERVING)
    return servicer


@pytest.fixture
def port(servicer: health.HealthServicer) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def test_exit_code_says_whether_a_service_takes_calls(
    servicer: health.HealthServicer, port: int
) -> None:
    address = f"127.0.0.1:{port}"
    serving = run(address)
    assert (serving.exit_code, serving.stdout) == (0, f"{address} says SERVING\n")
    servicer.set("", STATUS.NOT_SERVING)
    ending = run(address)
    assert ending.exit_code == 1
    assert "says NOT_SERVING: it is starting or ending" in ending.stderr
    assert run(address, "--service", "liveness").exit_code == 0
    unknown = run(address, "--service", "Nobody")
    assert (unknown.exit_code, "no service 'Nobody'" in unknown.stderr) == (1, True)
    assert run("127.0.0.1:1").exit_code == 1


def test_without_an_address_the_one_of_the_environment_is_asked(port: int) -> None:
    assert run(DLPO_HOST="0.0.0.0", DLPO_PORT=str(port)).exit_code == 0
    assert run(DLPO_PORT="1", DLPO_HEALTH_PORT=str(port)).exit_code == 0


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "127.0.0.1:50051"),
        ({"host": "0.0.0.0"}, "127.0.0.1:50051"),
        ({"host": "[::]"}, "[::1]:50051"),
        ({"host": "0.0.0.0", "health_port": 8081}, "127.0.0.1:8081"),
        ({"health_host": "10.0.0.1", "health_port": 8081}, "10.0.0.1:8081"),
        ({"tls_certificate": "c", "tls_key": "k", "health_port": 8081}, "127.0.0.1:8081"),
    ],
)
def test_health_is_where_the_settings_put_it(settings: dict[str, object], address: str) -> None:
    assert health_address(ServerSettings(**settings)) == address


def test_where_health_can_t_be_asked_the_message_says_what_to_do() -> None:
    tls = {"tls_certificate": "c", "tls_key": "k"}
    for settings, message in ((tls, "no health_port"), ({"port": 0}, "HOST:PORT")):
        with pytest.raises(InputError, match=message):
            health_address(ServerSettings(**settings))
