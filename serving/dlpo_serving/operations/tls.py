"""TLS from PEM files that may be replaced while the server runs: new handshakes use the new ones.

Running calls keep the certificate they started with. Files that don't match, such as a certificate
whose key has not been replaced yet, are logged, and the last good ones stay in use.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from dlpo.errors import ConfigError
from dlpo_serving.operations.files import Clock, Reloaded, check_mode

_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of a server's certificates."""

    certificate: Path
    """PEM, the server's own first, then its chain"""
    key: Path
    """PEM, without a password"""
    client_ca: Path | None = None
    """PEM; if set, only clients with a certificate from these authorities are admitted"""

    def paths(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_ca) if path]


def grpc_credentials(files: TlsFiles, clock: Clock) -> grpc.ServerCredentials:
    """Credentials for a gRPC port.

    Raises:
        ConfigError: the files can't be read or don't match, the certificate is not currently
            valid, or others may read the key.
    """
    current = Reloaded(files.paths(), partial(_grpc_configuration, files), clock)
    used = current.value()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on; None for no change. gRPC calls this before each handshake."""
        nonlocal used
        before, used = used, current.value()
        return used if used is not before else None

    return grpc.dynamic_ssl_server_credentials(
        used,
        fetch,  # type: ignore[arg-type]  # its stub doesn't allow None
        require_client_authentication=files.client_ca is not None,
    )


def http_ssl_context(files: TlsFiles, clock: Clock) -> ssl.SSLContext:
    """An SSLContext for an HTTP port.

    Raises:
        ConfigError: the files can't be read or don't match, the certificate is not currently
            valid, or others may read the key.
    """
    current = Reloaded(files.paths(), partial(_ssl_context, files), clock)
    used = current.value()
    outer = _ssl_context(files)
    changed_s = 0.0  # since the epoch, like session times

    def choose(connection: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> int | None:
        """Called at each handshake before a certificate is sent, with or without a server name."""
        nonlocal used, changed_s
        before, used = used, current.value()
        if used is not before:
            changed_s = time.time()
        connection.context = used
        # TLS 1.2 resumes from a cache that Python can't disable, and a resumed session presents
        # no certificate. Clients drop a rejected session.
        session = connection.session if connection.session_reused else None
        stale = files.client_ca and session and session.time <= changed_s
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if stale else None

    outer.sni_callback = choose
    return outer


def _grpc_configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    _ssl_context(files)  # gRPC itself would not say what is wrong with the files
    try:
        pair = (files.key.read_bytes(), files.certificate.read_bytes())
        roots = files.client_ca.read_bytes() if files.client_ca else None
    except OSError as error:
        raise _unusable(files, error) from error
    return grpc.ssl_server_certificate_configuration([pair], roots)


def _ssl_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        for path in files.paths():
            path.open("rb").close()  # ssl would not say which one is unreadable
        readable = "others than its owner may read this private key"
        check_mode(files.key, 0o077, readable, of_owner=True)
        no_password = str  # returns "", instead of prompting on a terminal
        context.load_cert_chain(files.certificate, files.key, password=no_password)
        check_times(files.certificate, context)
        if files.client_ca:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
            # A resumed session would outlive the authority that admitted it.
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _unusable(files, error) from error
    return context


def _unusable(files: TlsFiles, error: Exception) -> ConfigError:
    named = getattr(error, "filename", None)
    names = f"file {named}" if named else "files " + ", ".join(map(str, files.paths()))
    reason: Any = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return ConfigError(
        f"TLS {names} can't be used ({reason}); expected a PEM certificate, its key without"
        " a password, and for mutual TLS the authorities of the clients"
    )


def check_times(certificate: Path, server: ssl.SSLContext) -> None:
    """Reject a server certificate that is not currently valid: every client would.

    Args:
        certificate: PEM, the server's own first.
        server: context that has loaded the certificate and its key.

    Raises:
        ConfigError: expired, or not valid yet, possibly because of a wrong clock.
        OSError: no client could ever accept it (`ssl.SSLError`).
    """
    begin, end = _times(certificate, server)
    at = datetime.now(UTC)
    if begin <= at <= end:
        return
    state = "is not valid yet" if at < begin else "has expired"
    what = "set this machine's clock right" if at < begin else "renew it"
    raise ConfigError(
        f"TLS certificate {certificate} {state}: it is valid from {begin:%Y-%m-%d %H:%M:%S} to"
        f" {end:%Y-%m-%d %H:%M:%S} UTC, and this machine's clock says {at:%Y-%m-%d %H:%M:%S} UTC;"
        f" {what}, or use another certificate"
    )


def _times(certificate: Path, server: ssl.SSLContext) -> tuple[datetime, datetime]:
    """Start and end of validity, from an in-memory handshake with a client that trusts it."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    client.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server)
    for side in (ours, theirs, ours):  # hello; the certificate; its verification
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    said = ours.getpeercert()
    assert said  # the handshake is done
    begin, end = (ssl.cert_time_to_seconds(str(said[name])) for name in ("notBefore", "notAfter"))
    return datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
