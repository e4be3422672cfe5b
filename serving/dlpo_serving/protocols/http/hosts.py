"""Names by which a server is addressed: on a loopback address only local ones.

Otherwise a web page could have its own name resolve to 127.0.0.1, and then, as a page of the same
origin, use the server of whoever looks at it (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aiohttp import web

from dlpo_serving.settings.server_settings import is_loopback

LOCAL = ("localhost", "127.0.0.1", "[::1]")


def hosts_of(listening_on: str, allowed: Sequence[str] = ()) -> frozenset[str]:
    """Names that a server on this address answers to; empty for all.

    Args:
        listening_on: address or name.
        allowed: further names, for example that of a proxy on the same machine.
    """
    if not is_loopback(listening_on):
        return frozenset()
    return frozenset((*LOCAL, *(name.lower() for name in allowed)))


def check_host(request: web.Request, hosts: Collection[str]) -> None:
    """Reject a request that names another host; programs that name none are no browsers.

    Raises:
        web.HTTPMisdirectedRequest: the name is not among `hosts`.
    """
    given = request.headers.get("Host", "").lower()
    name = given.rpartition(":")[0] if not given.endswith("]") and ":" in given else given
    if hosts and name and name not in hosts:
        raise web.HTTPMisdirectedRequest(
            reason="this server answers to localhost; see --allowed-host",
            text="this server answers to localhost; see --allowed-host",
        )
