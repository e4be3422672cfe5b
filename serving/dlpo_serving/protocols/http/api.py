"""An HTTP API as a record: its routes, names of fields and keys, which the server reads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.protocols.api import Api, KeyPlaces
from dlpo_serving.protocols.http.statuses import FIELD_NAMES, OPENAI, Names

if TYPE_CHECKING:
    from dlpo_serving.protocols.http.speech_socket import SpeechSockets

Handler = Callable[["SpeechSockets", web.Request], Awaitable[web.StreamResponse]]
ROUTES: web.AppKey[Sequence[tuple[str, str]]] = web.AppKey("routes", Sequence)
"""methods and paths of an application"""
KEYS: web.AppKey[Sequence[KeyPlaces]] = web.AppKey("keys", Sequence)
"""of all APIs, each once: lists of voices, for example, are called by clients of each"""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, and what answers there."""

    method: str
    path: str
    handler: Handler
    summary: str
    is_socket: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    """what a request's query has, if APIs share the path"""

    def fits(self, request: web.Request) -> bool:
        """Whether a request is meant for this route and not for one of another API."""
        return all(request.query.get(name) == value for name, value in self.query.items())


def get(path: str, handler: Handler, summary: str) -> Route:
    """A route for GET."""
    return Route("GET", path, handler, summary)


def post(path: str, handler: Handler, summary: str) -> Route:
    """A route for POST."""
    return Route("POST", path, handler, summary)


def socket(path: str, handler: Handler, summary: str, **query: str) -> Route:
    """A route for a WebSocket."""
    return Route("GET", path, handler, summary, is_socket=True, query=query)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApi(Api):
    """An API of the HTTP port."""

    routes: Sequence[Route]
    names: Names = field(default_factory=lambda: OPENAI)
    """its own names of fields, for errors"""
    lists: Callable[[Sequence[Manifest]], Mapping[str, Any]] | None = None
    """what /v1/voices has for its clients, beside our own list"""
    models: Callable[[Sequence[Manifest]], Any] | None = None
    """/v1/models for clients that send a key in a header of this API"""


def definitions(apis: Iterable[HttpApi], sockets: SpeechSockets) -> list[web.RouteDef]:
    """The routes of all APIs for aiohttp; of those at one path, the first that fits answers."""
    offered: dict[tuple[str, str], list[tuple[HttpApi, Route]]] = {}
    for api in apis:
        for route in api.routes:
            offered.setdefault((route.method, route.path), []).append((api, route))
    return [
        web.route(*at, _answer(sorted(here, key=lambda one: -len(one[1].query)), sockets))
        for at, here in offered.items()
    ]


def _answer(
    offered: Sequence[tuple[HttpApi, Route]], sockets: SpeechSockets
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        api, route = next(one for one in offered if one[1].fits(request))
        request[FIELD_NAMES] = api.names
        return await route.handler(sockets, request)

    return answer


def offered_protocols(request: web.Request) -> list[str]:
    """Subprotocols that a WebSocket client offers."""
    return re.findall(r"[^,\s]+", request.headers.get("Sec-WebSocket-Protocol", ""))


def without_keys(request: web.Request) -> list[str]:
    """The same but for keys, which must not be sent back for proxies to log."""
    prefixes = tuple(keys.subprotocol for keys in request.app[KEYS] if keys.subprotocol)
    return [one for one in offered_protocols(request) if not one.startswith(prefixes)]


def authorization(request: web.Request) -> list[str]:
    """`Authorization` headers, or equivalents for keys sent where an API has them."""
    places = request.app[KEYS]
    names = (name for keys in places for name in keys.headers)
    found = [key for name in names for key in request.headers.getall(name, [])]
    for prefix in (keys.subprotocol for keys in places if keys.subprotocol):
        offered = [one for one in offered_protocols(request) if one.startswith(prefix)]
        found += [one.removeprefix(prefix) for one in offered]
    given = request.headers.getall("Authorization", [f"Bearer {key}" for key in found])
    schemes = [keys.scheme.lower() for keys in places if keys.scheme]
    return [_as_bearer(one, schemes) for one in given]


def _as_bearer(header: str, schemes: Sequence[str]) -> str:
    scheme, blank, key = header.partition(" ")
    return f"Bearer {key}" if blank and scheme.lower() in schemes else header
