"""TLS for gRPC and HTTP: who is let in, and certificates that change while the server runs."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from dlpo.errors import ConfigError
from dlpo_serving.operations.tls import TlsFiles, grpc_credentials, http_ssl_context
from tests.serving.conftest import Clock

if TYPE_CHECKING:
    from conftest import Authority, Issued

TIMEOUT_S = 20.0
DAY = timedelta(days=1)


@asynccontextmanager
async def grpc_server(files: TlsFiles, clock: Clock) -> AsyncIterator[int]:
    async def echo(request: bytes, context: Any) -> bytes:
        return request

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Echo", {"Say": handler}),)
    )
    port = server.add_secure_port("127.0.0.1:0", grpc_credentials(files, clock))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)
        await asyncio.sleep(0)


@asynccontextmanager
async def http_server(files: TlsFiles, clock: Clock) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"!")
        writer.close()

    context = http_ssl_context(files, clock)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask_grpc(port: int, ca: Authority, client: Issued | None = None) -> str:
    """ "OK", or the name of the status."""
    # A connection of its own, so that each call is a handshake.
    address, options = f"127.0.0.1:{port}", (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, ca.credentials(client), options) as channel:
        try:
            await channel.unary_unary("/test.Echo/Say")(b"hi", timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"


async def ask_http(
    port: int, ca: Authority, client: Issued | None = None, server_name: str = "localhost"
) -> int | None:
    """Serial number of the server's certificate; None where either side refused the other."""
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=ca.context(client), server_hostname=server_name
        )
        serial = writer.get_extra_info("peercert")["serialNumber"]
        writer.write(b"?")
        # In TLS 1.3 a client hears only now that its own certificate was refused.
        answer = await reader.read(1)
    except (ssl.SSLError, ConnectionError):
        return None
    writer.close()
    return int(serial, 16) if answer else None


async def test_mutual_tls_lets_in_only_clients_of_its_authority(
    authority: Authority, stranger: Authority, tmp_path: Path, clock: Clock
) -> None:
    served = authority.issue("server")
    ours = authority.issue("client")
    theirs = stranger.issue("partner")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.path.read_bytes())
    files = TlsFiles(served.certificate, served.key, trusted)

    async with grpc_server(files, clock) as port, http_server(files, clock) as http_port:

        async def let_in(client: Issued | None) -> list[bool]:
            return [
                await ask_grpc(port, authority, client) == "OK",
                await ask_http(http_port, authority, client) == served.serial,
            ]

        assert [await let_in(client) for client in (ours, theirs, None)] == [
            [True, True], [False, False], [False, False],
        ]  # fmt: skip
        trusted.write_bytes(stranger.path.read_bytes())  # which may change
        clock.now_s = 10
        assert [await let_in(client) for client in (ours, theirs, None)] == [
            [False, False], [True, True], [False, False],
        ]  # fmt: skip


@pytest.mark.parametrize("server_name", ["localhost", "127.0.0.1"])  # a number is sent as no name
async def test_renewed_certificate_is_used_with_its_key(
    server_name: str,
    authority: Authority,
    stranger: Authority,
    caplog: pytest.LogCaptureFixture,
    clock: Clock,
) -> None:
    caplog.set_level(logging.INFO, "dlpo_serving.operations.files")
    served, renewed = authority.issue("server"), stranger.issue("next")
    old = served.serial
    files = TlsFiles(served.certificate, served.key)

    async with (
        grpc_server(files, clock) as port,
        http_server(files, clock) as http_port,
        grpc.aio.secure_channel(f"127.0.0.1:{port}", authority.credentials()) as channel,
    ):

        async def ask_both(ca: Authority) -> tuple[str, int | None]:
            http = await ask_http(http_port, ca, server_name=server_name)
            return await ask_grpc(port, ca), http

        say = channel.unary_unary("/test.Echo/Say")
        await say(b"before", timeout=TIMEOUT_S)
        renewed.certificate.replace(served.certificate)  # its key is still to come
        clock.now_s = 10
        assert await ask_both(authority) == ("OK", old)

        renewed.key.replace(served.key)
        clock.now_s = 20
        assert await ask_both(stranger) == ("OK", renewed.serial)
        assert await ask_both(authority) == ("UNAVAILABLE", None)
        assert await say(b"after", timeout=TIMEOUT_S) == b"after"  # no call is lost

    message = [record.getMessage() for record in caplog.records]
    assert (
        len([line for line in message if "stays in use" in line]) == 2
    )  # one each for gRPC and HTTP
    assert len([line for line in message if "read again" in line]) == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_end_with_their_authority(
    version: ssl.TLSVersion, authority: Authority, stranger: Authority, tmp_path: Path, clock: Clock
) -> None:
    served, ours = authority.issue("server"), authority.issue("client")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.path.read_bytes())
    files = TlsFiles(served.certificate, served.key, trusted)
    context = authority.context(ours)
    context.maximum_version = version

    def ask(port: int, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with (
            socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
        ):
            secured.sendall(b"?")
            return secured.recv(1), secured.session

    async with http_server(files, clock) as port:
        answer, session = await asyncio.to_thread(ask, port, None)
        assert answer == b"!"
        trusted.write_bytes(stranger.path.read_bytes())
        clock.now_s = 10
        with suppress(ssl.SSLError, ConnectionError):
            assert not (await asyncio.to_thread(ask, port, session))[0]


@pytest.mark.parametrize("victim", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\n!!", None])
def test_files_that_can_not_be_used_are_refused_at_the_start(
    victim: str, content: bytes | None, authority: Authority
) -> None:
    served = authority.issue("server")
    files = TlsFiles(served.certificate, served.key, authority.path)
    path: Path = getattr(files, victim)
    path.unlink()
    if content is not None:
        path.touch(0o600)
        path.write_bytes(content)

    for load in (grpc_credentials, http_ssl_context):
        with pytest.raises(ConfigError, match="can't be used") as caught:
            load(files, time.monotonic)
        assert str(path) in str(caught.value)
        if content is None:  # the others are not suspected
            assert not any(str(p) in str(caught.value) for p in files.paths() if p != path)


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [(-3 * DAY, -DAY, "has expired"), (DAY, 2 * DAY, "is not valid yet")],
)
def test_certificate_out_of_date_is_refused_with_dates(
    begin: timedelta, end: timedelta, message: str, authority: Authority
) -> None:
    served = authority.issue("server", begin, end)
    files = TlsFiles(served.certificate, served.key, authority.path)

    for load in (grpc_credentials, http_ssl_context):
        with pytest.raises(ConfigError, match=message) as caught:
            load(files, time.monotonic)
        now = datetime.now(UTC)
        for at in (now + begin, now + end, now):
            assert f"{at:%Y-%m-%d %H:}" in str(caught.value)
        assert str(served.certificate) in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_private_key_that_others_may_read_is_refused(
    mode: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = authority.issue("server")
    served.key.chmod(mode)
    files = TlsFiles(served.certificate, served.key)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
        grpc_credentials(files, time.monotonic)
    # Kubernetes mounts a secret as root's, readable by all, for a container without root.
    monkeypatch.setattr("os.geteuid", lambda: served.key.stat().st_uid + 1)
    grpc_credentials(files, time.monotonic)
