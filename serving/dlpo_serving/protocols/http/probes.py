"""Health probes and metrics over HTTP."""

from __future__ import annotations

import json

from aiohttp import web

from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.protocols.http.connections import Probe
from dlpo_serving.service import SynthesisService


def probe_answers(service: SynthesisService) -> dict[str, Probe]:
    """Path -> status and text of a probe."""

    def readyz() -> tuple[int, str]:
        if service.ready:
            marks = (f"mark {voice}: {mark}\n" for voice, mark in service.marks.items())
            first = f"first audio expected in {service.expected_first_audio_s():.3f} s\n"
            return 200, "".join(["ready\n", first, *marks])
        return 503, "not ready: warming up or shutting down\n"

    def health() -> tuple[int, str]:
        status = "healthy" if service.ready else "starting or stopping"
        return 200 if service.ready else 503, json.dumps({"status": status})

    return {"/healthz": lambda: (200, "ok\n"), "/readyz": readyz, "/health": health}


def probe_routes(service: SynthesisService, metrics: Metrics | None) -> list[web.RouteDef]:
    """`/healthz`: the event loop runs; `/readyz`, `/health`: calls are accepted; `/metrics`."""

    async def answer(request: web.Request) -> web.Response:
        status, text = answers[request.path]()
        kind = "application/json" if text.startswith("{") else "text/plain"
        return web.Response(status=status, text=text, content_type=kind)

    answers = probe_answers(service)
    routes = [web.get(path, answer) for path in answers]
    if metrics:

        async def page(request: web.Request) -> web.Response:
            content, content_type = metrics.page(request.headers.get("Accept", ""))
            return web.Response(body=content, headers={"Content-Type": content_type})

        routes.append(web.get("/metrics", page))
    return routes
