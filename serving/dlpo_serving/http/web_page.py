"""The page at `/`: files of this package, and nothing from anywhere else."""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import web

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
