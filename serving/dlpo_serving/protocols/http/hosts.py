"""Names by which a server is addressed: without keys or TLS, none that a stranger could own.

Otherwise a web page could have its own name resolve to the server's address, and then, as a page of
the same origin, use the server of whoever looks at it (DNS rebinding). Such a page has no key, and
its name no certificate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from aiohttp import web

# Ends of names that no public registry gives away.
PRIVATE = (".localhost", ".local", ".internal", ".svc", ".lan", ".home.arpa")


def is_private(name: str) -> bool:
    """Whether a host name is an address, `localhost`, or one of a private network."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        plain = name.replace("-", "").replace("_", "").replace(".", "")
        return plain.isalnum() and ("." not in name or name.endswith(PRIVATE))
    return True


def check_host(request: web.Request, allowed: Collection[str] | None) -> None:
    """Reject a request by a name that is neither private nor allowed; programs may name none.

    Args:
        allowed: lower-case names; None for all.

    Raises:
        web.HTTPMisdirectedRequest: the name is rejected.
    """
    given = request.headers.get("Host", "").lower()
    name = given.rpartition(":")[0] if not given.endswith("]") and ":" in given else given
    if allowed is None or not name or name in allowed or is_private(name):
        return
    reason = "without keys this server answers to private names only; see --allowed-host"
    raise web.HTTPMisdirectedRequest(reason=reason, text=reason)
