"""What orchestrators, balancers and Prometheus ask."""

from __future__ import annotations

from aiohttp import web

from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.speaker import Speaker


def probe_routes(speaker: Speaker, metrics: Metrics) -> list[web.RouteDef]:
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
