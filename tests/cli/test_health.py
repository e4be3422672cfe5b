"""`dlpo health`: the exit code tells whether a server takes calls."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from typer.testing import CliRunner, Result

from dlpo.cli import app
from dlpo.errors import InputError
from dlpo_serving.settings.server_settings import ServerSettings, health_address

STATUS = health_pb2.HealthCheckResponse


def run(*arguments: str, **environment: str) -> Result:
    runner = CliRunner(env={"DLPO_CONFIG": None, **environment})
    return runner.invoke(app, ["health", *arguments], catch_exceptions=False)


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


def test_a_server_that_serves_is_exit_code_0(port: int) -> None:
    result = run(f"127.0.0.1:{port}")

    assert (result.exit_code, result.stdout) == (0, f"127.0.0.1:{port} says SERVING\n")


def test_a_server_that_ends_is_exit_code_1(servicer: health.HealthServicer, port: int) -> None:
    servicer.set("", STATUS.NOT_SERVING)

    result = run(f"127.0.0.1:{port}")

    assert result.exit_code == 1
    assert "says NOT_SERVING: it is starting or ending" in result.stderr


def test_a_service_is_asked_for_by_name(servicer: health.HealthServicer, port: int) -> None:
    servicer.set("", STATUS.NOT_SERVING)

    assert run(f"127.0.0.1:{port}", "--service", "liveness").exit_code == 0
    unknown = run(f"127.0.0.1:{port}", "--service", "Nobody")
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


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tls_certificate": "c", "tls_key": "k"}, "no health_port"),
        ({"port": 0}, "HOST:PORT"),
    ],
)
def test_where_health_can_t_be_asked_the_message_says_what_to_do(
    settings: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        health_address(ServerSettings(**settings))
