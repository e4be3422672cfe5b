"""The HTTP door: OpenAI's speech API, probes, figures and the page, over one `SynthesisService`."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from aiohttp import web
from aiohttp.hdrs import METH_ALL

from dlpo.bundle import Manifest
from dlpo_serving.errors import NotReadyError
from dlpo_serving.http.speech_body import MODELS
from dlpo_serving.http.speech_route import BEGUN, HttpLimits, speech_routes
from dlpo_serving.http.statuses import UnknownModelError, reply_to
from dlpo_serving.operations.calls import REQUEST_ID, CallRecord, current_call, recorded, request_id
from dlpo_serving.operations.keys import bearer_token
from dlpo_serving.operations.logs import log_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tracing import NoTracer, Tracer
from dlpo_serving.service import SynthesisService

EVERY_REPLY = {
    "Server": "dlpo",  # without the versions of what it is built from
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
SERVICE = "HTTP"  # in the figures, in the place of a gRPC service
CALL = web.RequestKey("call", CallRecord)
GONE = "CANCELLED"  # in the log, in the place of a status: the client left before the end

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


def build_app(
    speaker: SynthesisService,
    metrics: Metrics,
    authorize: Callable[[str], str] | None = None,
    tracer: Tracer | None = None,
    limits: HttpLimits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The application, for `listening` in the speaker's event loop.

    Args:
        speaker: speaks.
        metrics: shown at /metrics.
        authorize: token -> name of the caller, or raises UnauthenticatedError, such as
            `KeyRing.authorize`; asked for everything under /v1/. None asks for no token.
        tracer: records calls; none are recorded if None.
        limits: what a client may cost.
        clock: seconds, for the log.
    """
    limits = limits or HttpLimits()
    door = _Door(metrics, authorize, tracer or NoTracer(), clock)
    app = web.Application(middlewares=[door.pass_through], client_max_size=limits.body_bytes)
    app.add_routes(speech_routes(speaker, limits))
    app.add_routes(catalog_routes(speaker))
    app.add_routes(probe_routes(speaker, metrics))
    app.add_routes(page_routes())
    app.on_response_prepare.append(_add_headers)
    return app


class _Door:
    """What every request passes: id and log line, trace, token, and errors made to replies."""

    def __init__(
        self,
        metrics: Metrics,
        authorize: Callable[[str], str] | None,
        tracer: Tracer,
        clock: Callable[[], float],
    ) -> None:
        self._metrics = metrics
        self._authorize = authorize
        self._tracer = tracer
        self._clock = clock

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        start_s = self._clock()
        verb = request.method if request.method in METH_ALL else "OTHER"  # it is a label of figures
        method = f"{verb} {_route(request)}"
        proposed = request.headers.get(REQUEST_ID)
        record = CallRecord(request_id(proposed), method, request.remote or "")
        request[CALL] = record
        level = logging.INFO if request.method == "POST" else logging.DEBUG  # probes come often
        code = GONE
        self._metrics.rpc_started(SERVICE, method)
        with recorded(record), self._tracer.call(method, _lower(request)) as span:
            record.span = span
            try:
                response, code = await self._answer(request, handler)
                return response
            finally:
                span.set("http.response.status_code", code)
                wall_s = self._clock() - start_s
                self._metrics.rpc_ended(SERVICE, method, code, wall_s)
                log_call(record, code, wall_s, level)

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> tuple[web.StreamResponse, str]:
        """The reply, and how the log calls its end."""
        try:
            if self._authorize and request.path.startswith("/v1/"):
                token = bearer_token(request.headers.getall("Authorization", []))
                current_call().caller = self._authorize(token)
            response = await handler(request)
            return response, str(response.status)
        # The boundary of the process: whatever went wrong, the client must get a reply of ours.
        except Exception as error:
            begun = request.get(BEGUN)
            if isinstance(error, ConnectionResetError):  # nobody is left to be told
                return begun.response if begun else web.Response(), GONE
            reply = reply_to(error)
            if reply.status in (500, 501):
                _log.exception("internal error")
            if begun is None:
                return reply.response(), str(reply.status)
            await begun.cut(reply)
            return begun.response, str(reply.status)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(EVERY_REPLY)
    if call := request.get(CALL):
        response.headers[REQUEST_ID] = call.id


def _route(request: web.Request) -> str:
    """The route and not the path, which is of the client's choice."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(unknown)"


def _lower(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def probe_routes(speaker: SynthesisService, metrics: Metrics) -> list[web.RouteDef]:
    """`/healthz`: the event loop runs; `/readyz`: balancers may send calls; `/metrics`: figures."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        ready = speaker.ready
        text = "ready\n" if ready else "not ready: warming up or shutting down\n"
        return web.Response(status=200 if ready else 503, text=text)

    async def page(request: web.Request) -> web.Response:
        content, content_type = metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=content, headers={"Content-Type": content_type})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", page)]


def catalog_routes(speaker: SynthesisService) -> list[web.RouteDef]:
    """The lists, in the shape of OpenAI's."""

    async def voices(request: web.Request) -> web.Response:
        if not speaker.voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        return web.json_response(_list([_voice(manifest) for manifest in speaker.voices]))

    async def models(request: web.Request) -> web.Response:
        return web.json_response(_list([_model(name) for name in MODELS]))

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in MODELS:
            raise UnknownModelError(name, MODELS)
        return web.json_response(_model(name))

    return [
        web.get("/v1/voices", voices),
        web.get("/v1/models", models),
        web.get("/v1/models/{model}", model),
    ]


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data}


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


CONTENT_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
PAGE_HEADERS = {
    # Scripts, styles and connections of this server alone; nobody may put the page into a frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",  # asked again each time, answered 304 where nothing changed
}


def page_routes() -> list[web.RouteDef]:
    """`/` and the files it asks for, which are read once, here."""
    routes = []
    for file in resources.files("dlpo_serving.http").joinpath("page").iterdir():
        suffix = file.name.rpartition(".")[2]
        if suffix in CONTENT_TYPES:
            path = "/" if file.name == "index.html" else f"/page/{file.name}"
            routes.append(_file_route(path, file.read_bytes(), CONTENT_TYPES[suffix]))
    return routes


def _file_route(path: str, content: bytes, content_type: str) -> web.RouteDef:
    tag = hashlib.sha256(content).hexdigest()[:16]

    async def answer(request: web.Request) -> web.Response:
        known = {entity.value for entity in request.if_none_match or ()}
        response = (
            web.Response(status=304)
            if tag in known
            else web.Response(body=content, content_type=content_type, charset="utf-8")
        )
        response.etag = tag
        response.headers.update(PAGE_HEADERS)
        return response

    return web.get(path, answer)
