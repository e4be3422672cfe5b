"""When a certificate is valid, read by showing it to ourselves: Python parses none but a peer's."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dlpo.errors import ConfigError

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for


def now() -> datetime:
    """The time that certificates are held against."""
    return datetime.now(UTC)


def check_times(
    certificate: Path, server: ssl.SSLContext, clock: Callable[[], datetime] = now
) -> None:
    """Refuse a server's certificate that is not valid now: every client would.

    Args:
        certificate: PEM, the server's own first.
        server: has loaded the certificate with its key.
        clock: the time, with its zone.

    Raises:
        ConfigError: expired, or not valid yet, which a wrong clock may be the reason of.
        OSError: no client could accept it, whatever the time (`ssl.SSLError`).
    """
    begin, end = _times(certificate, server)
    at = clock()
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
    """Begin and end, from a handshake in memory with a client that trusts this certificate."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    client.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server)
    for side in (ours, theirs, ours):  # hello; the certificate; whether it is one
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    said = ours.getpeercert()
    assert said  # the handshake is done
    begin, end = (ssl.cert_time_to_seconds(str(said[name])) for name in ("notBefore", "notAfter"))
    return datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
