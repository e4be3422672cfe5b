"""TLS for gRPC and HTTP: who is let in, and certificates that change while the server runs."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import ConfigError
from dlpo_serving.operations.tls import TlsFiles, grpc_credentials, http_ssl_context
from tests.callers import WAIT_S
from tests.serving.conftest import Authority, Issued, RunningServer, StartServer

DAY = timedelta(days=1)
PROBE = health_pb2.HealthCheckRequest()
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Ports:
    """The ports of a server with these files."""

    def __init__(self, start_server: StartServer, served: Issued, trusted: Path | None) -> None:
        self.served = served
        self.server: RunningServer = start_server(
            tls_certificate=served.certificate, tls_key=served.key, tls_client_ca=trusted,
            http_port=0,
        )  # fmt: skip
        self.http_port = int(str(self.server.http_url).rstrip("/").rpartition(":")[2])

    def grpc(self, ca: Authority, client: Issued | None = None) -> str:
        """ "OK", or the name of the status."""
        # A connection of its own, so that each call is a handshake.
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.secure_channel(self.server.address, ca.credentials(client), options) as channel:
            try:
                health_pb2_grpc.HealthStub(channel).Check(PROBE, timeout=WAIT_S)
            except grpc.RpcError as error:
                return str(error.code().name)
        return "OK"

    def http(
        self, ca: Authority, client: Issued | None = None, server_name: str = "localhost"
    ) -> int | None:
        """Serial number of the server's certificate; None where either side refused the other."""
        try:
            with (
                socket.create_connection(("127.0.0.1", self.http_port), WAIT_S) as plain,
                ca.context(client).wrap_socket(plain, server_hostname=server_name) as secured,
            ):
                serial = int(secured.getpeercert()["serialNumber"], 16)
                secured.sendall(GET)
                # In TLS 1.3 a client hears only now that its own certificate was refused.
                return serial if secured.recv(1) else None
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.fixture
def start(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ports]:
    """`start(served, trusted)`: it looks for changes at each handshake."""
    monkeypatch.setattr("dlpo_serving.operations.files.POLL_S", 0.0)
    return lambda served, trusted=None: Ports(start_server, served, trusted)


def test_mutual_tls_lets_in_only_clients_of_its_authority(
    authority: Authority, stranger: Authority, tmp_path: Path, start: Callable[..., Ports]
) -> None:
    ours, theirs = authority.issue("client"), stranger.issue("partner")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.path.read_bytes())
    ports = start(authority.issue("server"), trusted)

    def let_in(client: Issued | None) -> list[bool]:
        serial = ports.http(authority, client)
        return [ports.grpc(authority, client) == "OK", serial == ports.served.serial]

    assert [let_in(client) for client in (ours, theirs, None)] == [
        [True, True], [False, False], [False, False],
    ]  # fmt: skip
    trusted.write_bytes(stranger.path.read_bytes())  # which may change
    assert [let_in(client) for client in (ours, theirs, None)] == [
        [False, False], [True, True], [False, False],
    ]  # fmt: skip


@pytest.mark.parametrize("server_name", ["localhost", "127.0.0.1"])  # a number is sent as no name
def test_renewed_certificate_is_used_with_its_key(
    server_name: str,
    authority: Authority,
    stranger: Authority,
    start: Callable[..., Ports],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "dlpo_serving.operations.files")
    ports, renewed = start(authority.issue("server"), None), stranger.issue("next")

    def ask_both(ca: Authority) -> tuple[str, int | None]:
        return ports.grpc(ca), ports.http(ca, server_name=server_name)

    with grpc.secure_channel(ports.server.address, authority.credentials()) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(PROBE, timeout=WAIT_S).status == 1
        renewed.certificate.replace(ports.served.certificate)  # its key is still to come
        assert ask_both(authority) == ("OK", ports.served.serial)
        renewed.key.replace(ports.served.key)
        assert ask_both(stranger) == ("OK", renewed.serial)
        assert ask_both(authority) == ("UNAVAILABLE", None)
        assert health.Check(PROBE, timeout=WAIT_S).status == 1  # no call is lost

    said = [record.getMessage() for record in caplog.records]
    for part in ("stays in use", "read again"):
        assert sum(part in line for line in said) == 2  # one each for gRPC and HTTP


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_end_with_their_authority(
    version: ssl.TLSVersion,
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    start: Callable[..., Ports],
) -> None:
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.path.read_bytes())
    ports = start(authority.issue("server"), trusted)
    context = authority.context(authority.issue("client"))
    context.maximum_version = version

    def ask(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with (
            socket.create_connection(("127.0.0.1", ports.http_port), WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
        ):
            secured.sendall(GET)
            return secured.recv(1), secured.session

    answer, session = ask(None)
    assert answer == b"H"
    trusted.write_bytes(stranger.path.read_bytes())
    with suppress(ssl.SSLError, ConnectionError):
        assert not ask(session)[0]


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
