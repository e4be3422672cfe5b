"""The HTTP API: OpenAI's speech route, lists, probes, metrics and the web page."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import mimetypes
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.http import HttpProcessingError

import dlpo
from dlpo.bundle import Manifest
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.errors import NotReadyError
from dlpo_serving.http.connections import PROBES, Connections, Probe
from dlpo_serving.http.dialects import authorization
from dlpo_serving.http.hosts import check_host
from dlpo_serving.http.speech_body import ENCODINGS, MODELS, schema
from dlpo_serving.http.speech_route import BEGUN, Begun, HttpLimits, speech_routes
from dlpo_serving.http.speech_socket import SpeechSockets
from dlpo_serving.http.statuses import UnknownModelError, reply_to
from dlpo_serving.operations.call_scope import REQUEST_ID, CallRecord, CallScope
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import address, named_port

EVERY_REPLY = {
    "Server": "dlpo",  # instead of aiohttp's default, which reveals versions
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
EXPOSED_HEADERS = (
    "X-Voice",
    "X-Sample-Rate",
    "X-Request-Id",
    "X-Warning",
    "Retry-After",
)  # exposed by CORS
JSON = "application/json"
AUDIO_TYPES = sorted({media_type(one) for one in ENCODINGS.values()})
LISTS = {"voices": "Voices, with their ranges", "audio/voices": "Names of voices",
         "models": "Models", "audio/models": "Names of models"}  # fmt: skip
CALL = web.RequestKey("call", CallRecord)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
PAGE_HEADERS = {
    # Scripts, styles and connections only from this server; the page may not be framed.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",  # always revalidated; 304 if unchanged
}
IDLE_S = 30.0  # for a request's header, from the end of the last request: stops slow-loris attacks
MAX_LINE_BYTES = 8_190  # of the request line, and of each header
MAX_HEADERS = 64
QUEUE = 128  # connections waiting to be accepted
LAST_WORDS_S = 0.5  # for replies in flight at shutdown
LINGERING_S = 1.0  # to drain an unread body, so that the client sees the refusal


def build_app(
    service: SynthesisService,
    metrics: Metrics,
    scope: CallScope | None = None,
    limits: HttpLimits | None = None,
    show_metrics: bool = True,
) -> web.Application:
    """Build the application, for `listening` in the service's event loop.

    Args:
        metrics: served at /metrics if `show_metrics`.
        scope: opened for each request; all of /v1/ requires its token. None requires no token.
        limits: what a client may consume.
    """
    limits, scope = limits or HttpLimits(), scope or CallScope(metrics)
    middlewares = [_call_middleware(scope, limits.hosts)]
    app = web.Application(middlewares=middlewares, client_max_size=limits.body_bytes)
    app.add_routes(speech_routes(service, limits))
    app.add_routes(SpeechSockets(service, scope, limits).routes())
    app.add_routes(catalog_routes(service))
    app.add_routes(probe_routes(service, metrics if show_metrics else None))
    app[PROBES] = probe_answers(service)
    app.add_routes(page_routes())
    app.add_routes(reference_routes())
    app.on_response_prepare.append(_add_headers)
    if limits.origins:
        app.on_response_prepare.append(partial(_let_read, frozenset(limits.origins)))
        app.router.add_route("OPTIONS", "/v1/{any:.*}", _preflight)
    return app


def _call_middleware(scope: CallScope, hosts: Collection[str]) -> Any:
    """Run each request in its scope, and turn errors into replies."""

    @web.middleware
    async def call(request: web.Request, handler: Handler) -> web.StreamResponse:
        verb = request.method if request.method in METH_ALL else "OTHER"  # a metrics label
        resource = request.match_info.route.resource  # clients choose the raw path: no label
        method = f"{verb} {resource.canonical if resource else '(unknown)'}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        level = logging.INFO if request.method == "POST" else logging.DEBUG  # probes are frequent
        with scope.open(method, "http", request.remote or "", headers, level) as record:
            request[CALL] = record
            try:
                check_host(request, hosts)
                if request.path.startswith("/v1/") and request.method != "OPTIONS":
                    scope.authorize(authorization(request))
                response = await handler(request)
            except ConnectionResetError:  # the client is gone
                gone = request.get(BEGUN)
                return gone.response if gone else web.Response()
            # Process boundary: every error must become one of our replies.
            except Exception as error:
                scope.count_failure(error)
                reply = reply_to(error)
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


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(EVERY_REPLY)
    if call := request.get(CALL):
        response.headers[REQUEST_ID] = call.id


async def _let_read(
    origins: frozenset[str], request: web.Request, response: web.StreamResponse
) -> None:
    """CORS: let pages from these origins read the reply."""
    origin = request.headers.get("Origin", "")
    if origin and request.path.startswith("/v1/") and origins & {origin, "*"}:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
        response.headers.add("Vary", "Origin")


async def _preflight(request: web.Request) -> web.Response:
    """CORS preflight, which a browser sends before a cross-origin request; it has no token."""
    headers = request.headers.get("Access-Control-Request-Headers", "")
    allowed = {"Methods": "GET, POST", "Headers": headers}
    named = {f"Access-Control-Allow-{name}": value for name, value in allowed.items()}
    return web.Response(status=204, headers={**named, "Access-Control-Max-Age": "600"})


def probe_answers(service: SynthesisService) -> dict[str, Probe]:
    """Path -> status and text of a probe."""

    def readyz() -> tuple[int, str]:
        if service.ready:
            return 200, "ready\n"
        return 503, "not ready: warming up or shutting down\n"

    def health() -> tuple[int, str]:
        status = "healthy" if service.ready else "starting or stopping"
        return 200 if service.ready else 503, json.dumps({"status": status})

    return {"/healthz": lambda: (200, "ok\n"), "/readyz": readyz, "/health": health}


def probe_routes(service: SynthesisService, metrics: Metrics | None) -> list[web.RouteDef]:
    """`/healthz`: the event loop runs; `/readyz`, `/health`: calls are accepted; `/metrics`."""

    async def answer(request: web.Request) -> web.Response:
        status, text = answers[request.path]()
        kind = JSON if text.startswith("{") else "text/plain"
        return web.Response(status=status, text=text, content_type=kind)

    answers = probe_answers(service)
    routes = [web.get(path, answer) for path in answers]
    if metrics:

        async def page(request: web.Request) -> web.Response:
            content, content_type = metrics.page(request.headers.get("Accept", ""))
            return web.Response(body=content, headers={"Content-Type": content_type})

        routes.append(web.get("/metrics", page))
    return routes


def catalog_routes(service: SynthesisService) -> list[web.RouteDef]:
    """Lists of voices and models, in OpenAI's format."""

    async def voices(request: web.Request) -> web.Response:
        if not service.voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        listed = [_voice(manifest) for manifest in service.voices]
        return web.json_response({"object": "list", "data": listed})

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [_model(name) for name in MODELS]})

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in MODELS:
            raise UnknownModelError(name, MODELS)
        return web.json_response(_model(name))

    async def names(request: web.Request) -> web.Response:
        kind = request.path.rpartition("/")[2]
        found = MODELS if kind == "models" else [one.voice for one in service.voices]
        return web.json_response({kind: [{"id": name, "name": name} for name in found]})

    return [
        web.get("/v1/voices", voices),
        web.get("/v1/audio/voices", names),  # as in Kokoro-FastAPI and Open WebUI
        web.get("/v1/audio/models", names),
        web.get("/v1/models", models),
        web.get("/v1/models/{model}", model),
    ]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "dlpo"}


def _voice(manifest: Manifest) -> dict[str, Any]:
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    return {
        "id": manifest.voice,
        "object": "voice",
        "language": manifest.language,
        "sample_rate": manifest.sample_rate_hz,
        "steps": list(manifest.available_steps),
        "default_steps": manifest.steps,
        "speed": {"min": slowest, "max": fastest},
        "pitch_semitones": {"min": lowest, "max": highest},
        "licence": manifest.licence,
    }


def page_routes() -> list[web.RouteDef]:
    """`/` and the files it loads, and no others."""
    folder = Path(__file__).with_name("page")
    files = [file for file in folder.iterdir() if file.suffix in (".html", ".css", ".js", ".svg")]
    names = ["/" if file.name == "index.html" else f"/page/{file.name}" for file in files]
    return [web.get(name, _sender(file)) for name, file in zip(names, files, strict=True)]


def _sender(file: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Send the file as read now; its ETag is a content hash, since images clamp mtimes."""
    content = file.read_bytes()
    tag = hashlib.sha256(content).hexdigest()
    kind = mimetypes.guess_type(file.name)[0]
    charset = "utf-8" if kind and kind.startswith("text/") else None

    async def send(request: web.Request) -> web.Response:
        same = any(each.value in (tag, "*") for each in request.if_none_match or ())
        status, body = (304, None) if same else (200, content)
        response = web.Response(
            status=status, body=body, headers=PAGE_HEADERS, content_type=kind, charset=charset
        )
        response.etag = tag
        return response

    return send


def openapi() -> dict[str, Any]:
    """The OpenAPI description of the HTTP API, for code generators and other tools."""
    token: list[dict[str, list[str]]] = [{"token": []}, {}]  # or none
    audio = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in AUDIO_TYPES}
    error = {"description": "An error in OpenAI's format", "content": {JSON: {}}}
    ok = {"200": {"description": "OK", "content": {JSON: {}}}, "default": error}
    listed = {
        f"/v1/{name}": {"get": {"summary": summary, "security": token, "responses": ok}}
        for name, summary in LISTS.items()
    }
    speech = {
        "summary": "Speak a text; the reply starts with the first audio",
        "security": token,
        "requestBody": {"required": True, "content": {JSON: {"schema": schema()}}},
        "responses": {"200": {"description": "Audio", "content": audio}, "default": error},
    }
    probe = {"summary": "Whether the server accepts calls", "responses": ok}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlpo", "version": dlpo.__version__},
        "paths": {"/v1/audio/speech": {"post": speech}, **listed, "/health": {"get": probe}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def reference_routes() -> list[web.RouteDef]:
    """`/openapi.json`, and `/docs` for people: the same content, as a page without scripts."""
    described = openapi()
    rows = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            rows.append(f"<h2>{method.upper()} {path}</h2><p>{escape(operation['summary'])}</p>")
    fields = "".join(
        f"<dt>{name}</dt><dd>{escape(json.dumps({k: v for k, v in one.items() if k != 'title'}))}"
        for name, one in schema()["properties"].items()
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>dlpo: HTTP API</title>'
        "<h1>HTTP API</h1><p>OpenAI's speech API with additional fields. For tools:"
        f' <a href="openapi.json">openapi.json</a>.</p>{"".join(rows)}'
        f"<h2>Fields of POST /v1/audio/speech</h2><dl>{fields}</dl></html>"
    )

    async def document(request: web.Request) -> web.Response:
        return web.json_response(described)

    async def docs(request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers=PAGE_HEADERS)

    return [web.get("/openapi.json", document), web.get("/docs", docs)]


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
        shutdown_timeout=LAST_WORDS_S,
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
        probes = app.get(PROBES, {})
        connections = Connections(runner.server, probes, stall_s, proxies, tls)
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
