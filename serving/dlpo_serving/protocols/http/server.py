"""The HTTP application, the port that it listens on, and what every request passes through."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.http import HttpProcessingError

from dlpo_serving.errors import shortened
from dlpo_serving.operations.call_scope import REQUEST_ID, CallRecord, CallScope
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.protocols.apis import HTTP_APIS
from dlpo_serving.protocols.http.api import KEYS, ROUTES, authorization, definitions
from dlpo_serving.protocols.http.catalog import catalog
from dlpo_serving.protocols.http.connections import (
    PROBES,
    Connections,
    answering,
    begin_reply,
)
from dlpo_serving.protocols.http.detect_route import detection
from dlpo_serving.protocols.http.hosts import check_host
from dlpo_serving.protocols.http.pages import page_routes
from dlpo_serving.protocols.http.probes import probe_answers, probe_routes
from dlpo_serving.protocols.http.reference import reference_routes
from dlpo_serving.protocols.http.replies import BEGUN, Begun
from dlpo_serving.protocols.http.requests import HttpLimits
from dlpo_serving.protocols.http.speech_socket import SpeechSockets
from dlpo_serving.protocols.http.statuses import FIELD_NAMES, OPENAI, reply_to
from dlpo_serving.protocols.http.turns import ParsingTurns
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import address, named_port

EVERY_REPLY = {
    "Server": "dlpo",  # instead of aiohttp's default, which reveals versions
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# To pages of other origins (CORS).
EXPOSED_HEADERS = (
    "X-Voice", "X-Mark", "X-Sample-Rate", "X-Request-Id", "X-Warning", "Retry-After",
    "Server-Timing",
)  # fmt: skip
CALL = web.RequestKey("call", CallRecord)
TURNS = web.AppKey("turns", ParsingTurns)
MAX_PATH = 100  # characters of an unknown path that are compared with ours

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
IDLE_S = 30.0  # for a request's header, from the end of the last request: stops slow-loris attacks
MAX_LINE_BYTES = 8_190  # of the request line, and of each header
MAX_HEADERS = 64
QUEUE = 128  # connections waiting to be accepted
SHUTDOWN_S = 0.5  # for replies in flight at shutdown
LINGERING_S = 1.0  # to drain an unread body, so that the client sees the refusal


def build_app(
    service: SynthesisService,
    metrics: Metrics,
    scope: CallScope | None = None,
    limits: HttpLimits | None = None,
    show_metrics: bool = True,
    turns: ParsingTurns | None = None,
) -> web.Application:
    """Build the application, for `listening` in the service's event loop.

    Paths that share their first segment with an API, such as /v1/, need a key if there are any;
    with CORS, pages of other origins may read them.

    Args:
        metrics: served at /metrics if `show_metrics`.
        scope: opened for each request; the APIs require its token. None requires no token.
        limits: what a client may consume.
        turns: of all ports of the server.
    """
    limits, scope = limits or HttpLimits(), scope or CallScope(metrics)
    turns = turns or ParsingTurns()
    sockets = SpeechSockets(service, limits, turns, scope)
    offered = (*HTTP_APIS, catalog(HTTP_APIS), detection(limits))
    apis = definitions(offered, sockets)
    guarded = tuple(sorted({f"/{route.path.split('/')[1]}/" for route in apis}))
    middlewares = [_call_middleware(scope, limits.hosts, guarded)]
    app = web.Application(middlewares=middlewares, client_max_size=limits.body_bytes)
    app[KEYS] = [*dict.fromkeys(api.keys for api in offered if api.keys)]
    app.add_routes(apis)
    app.add_routes(probe_routes(service, metrics if show_metrics else None))
    app[PROBES] = probe_answers(service)
    app[TURNS] = turns
    app.add_routes(page_routes())
    app.add_routes(reference_routes(offered))
    app[ROUTES] = routes_of(app)
    _forgive_slashes(app)
    app.on_response_prepare.append(_add_headers)
    service.call_on_drain(sockets.opened.leave)
    app.on_shutdown.append(lambda app: sockets.opened.close())
    if limits.origins:
        app.on_response_prepare.append(partial(_let_read, frozenset(limits.origins), guarded))
        for prefix in guarded:
            app.router.add_route("OPTIONS", prefix + "{any:.*}", _preflight)
    return app


def _call_middleware(
    scope: CallScope, hosts: Collection[str] | None, guarded: tuple[str, ...]
) -> Any:
    """Run each request in its scope, and turn errors into replies."""

    @web.middleware
    async def call(request: web.Request, handler: Handler) -> web.StreamResponse:
        verb = request.method if request.method in METH_ALL else "OTHER"  # a metrics label
        resource = request.match_info.route.resource  # clients choose the raw path: no label
        path = resource.canonical if resource else "(unknown)"
        method = f"{verb} {path.rstrip('/') or path}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        level = logging.INFO if request.method == "POST" else logging.DEBUG  # probes are frequent
        called = scope.open(method, "http", request.remote or "", headers, level)
        with answering(request), called as record:
            request[CALL] = record
            try:
                check_host(request, hosts)
                if _is_guarded(request, guarded) and request.method != "OPTIONS":
                    scope.authorize(authorization(request))
                response = await handler(request)
            except ConnectionResetError:  # the client is gone
                gone = request.get(BEGUN)
                return gone.response if gone else web.Response()
            # Process boundary: every error must become one of our replies.
            except Exception as error:
                scope.count_failure(error)
                reply = reply_to(error, request.get(FIELD_NAMES, OPENAI))
                if isinstance(error, web.HTTPNotFound):
                    reply = replace(reply, message=not_found(request))
                record.code = str(reply.status)
                if reply.status in (500, 501):
                    _log.exception("internal error")
                begun: Begun | None = request.get(BEGUN)
                if begun is None:
                    return reply.response()
                await begun.cut(reply)
                return begun.response
            record.code = str(response.status)
            return response

    return call


def _is_guarded(request: web.Request, guarded: tuple[str, ...]) -> bool:
    return f"{request.path}/".startswith(guarded)


def routes_of(app: web.Application) -> list[tuple[str, str]]:
    """Methods and paths of all routes, without what CORS adds."""
    found = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method in ("GET", "POST")
    }
    return sorted(found)


def _forgive_slashes(app: web.Application) -> None:
    """Answer at a path with a slash at its end as without it."""
    for route in list(app.router.routes()):
        if route.resource and route.method in ("GET", "POST"):
            path = route.resource.canonical
            if path != "/":
                app.router.add_route(route.method, f"{path}/", route.handler)


def not_found(request: web.Request) -> str:
    """What to say of a path that does not exist: those that do."""
    paths = [path for method, path in request.app[ROUTES] if method == request.method]
    asked = shortened(f"{request.method} {request.path}")
    near = get_close_matches(request.path[:MAX_PATH], paths, 1)
    meant = f", did you mean {near[0]}?" if near else "."
    return f"there is no {asked}{meant} This server has {', '.join(paths)}; see /docs"


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    begin_reply(request, response)
    response.headers.update(EVERY_REPLY)
    if call := request.get(CALL):
        response.headers[REQUEST_ID] = call.id


async def _let_read(
    origins: frozenset[str],
    guarded: tuple[str, ...],
    request: web.Request,
    response: web.StreamResponse,
) -> None:
    """CORS: let pages from these origins read the reply."""
    origin = request.headers.get("Origin", "")
    if origin and _is_guarded(request, guarded) and origins & {origin, "*"}:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
        response.headers.add("Vary", "Origin")


async def _preflight(request: web.Request) -> web.Response:
    """CORS preflight, which a browser sends before a cross-origin request; it has no token."""
    headers = request.headers.get("Access-Control-Request-Headers", "")
    allowed = {"Methods": "GET, POST", "Headers": headers}
    named = {f"Access-Control-Allow-{name}": value for name, value in allowed.items()}
    return web.Response(status=204, headers={**named, "Access-Control-Max-Age": "600"})


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    stall_s: float = 30.0,
    proxies: Collection[str] = (),
) -> AsyncIterator[int]:
    """Serve `app` while the block runs.

    Args:
        host: address to listen on.
        port: TCP port; 0 lets the system choose.
        tls: None for plain HTTP.
        stall_s, proxies: see `Connections`.

    Yields:
        The port.

    Raises:
        InputError: the address can't be bound.
    """
    log = _log.getChild("runner")
    log.addFilter(_is_ours)
    runner = web.AppRunner(
        app,
        logger=log,
        handle_signals=False,
        handler_cancellation=True,  # a client's disconnect cancels its handler
        shutdown_timeout=SHUTDOWN_S,
        access_log=None,  # the call scope logs a line for each call
        keepalive_timeout=IDLE_S,
        lingering_time=LINGERING_S,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        max_headers=MAX_HEADERS,
        auto_decompress=False,  # bodies are small: no deflate bombs
    )
    await runner.setup()
    try:
        # asyncio accepts up to `backlog` connections in a row: with no file descriptor left, each
        # attempt fails and sets a retry timer, and the timers would multiply.
        assert runner.server  # set up
        connections = Connections(runner.server, app[PROBES], app[TURNS], stall_s, proxies, tls)
        with named_port(address(host, port), "HTTP", "--http-port"):
            server = await asyncio.get_running_loop().create_server(
                connections.accept, host, port, backlog=1
            )
        for listening_socket in server.sockets:
            with listening_socket.dup() as same:
                same.listen(QUEUE)
        watch = asyncio.create_task(connections.watch())
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            watch.cancel()
            server.close()
            connections.close()
    finally:
        await runner.cleanup()


def _is_ours(record: logging.LogRecord) -> bool:
    """Filter out tracebacks for clients that don't speak HTTP; they get a 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
