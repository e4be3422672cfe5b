"""The description of the HTTP API, for tools and for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from aiohttp import web

from dlpo.config.schema import default_words, values_of
from dlpo.version import __version__
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.protocols.http.api import ROUTES, HttpApi
from dlpo_serving.protocols.http.pages import PAGE_HEADERS
from dlpo_serving.protocols.http.speech_body import ENCODINGS, schema

JSON = "application/json"
AUDIO_TYPES = sorted({media_type(one) for one in ENCODINGS.values()})
SUMMARIES = {  # of what is no API
    "/health": "Whether the server accepts calls, in JSON",
    "/healthz": "200 while the process works",
    "/readyz": "200 while the server accepts calls, else 503",
    "/metrics": "Metrics for Prometheus",
    "/openapi.json": "This API for tools, OpenAPI 3.1",
    "/docs": "This page",
    "/": "The page to type into",
}
SPEECH = "/v1/audio/speech"
EXAMPLE = """curl http://HOST:PORT/v1/audio/speech -H 'Content-Type: application/json' \\
  -d '{"input": "Your table is booked.", "voice": "heart"}' -o speech.mp3"""


def openapi(apis: Sequence[HttpApi]) -> dict[str, Any]:
    """The OpenAPI description of the HTTP API, for code generators and other tools."""
    routes = [route for api in apis for route in api.routes]
    token: list[dict[str, list[str]]] = [{"token": []}, {}]  # or none
    audio = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in AUDIO_TYPES}
    error = {"description": "An error in OpenAI's format", "content": {JSON: {}}}
    ok = {"200": {"description": "OK", "content": {JSON: {}}}, "default": error}
    listed = {
        route.path: {"get": {"summary": route.summary, "security": token, "responses": ok}}
        for route in routes
        if route.method == "GET" and not (route.is_socket or "{" in route.path)
    }
    speech = {
        "summary": next(route.summary for route in routes if route.path == SPEECH),
        "security": token,
        "requestBody": {"required": True, "content": {JSON: {"schema": schema()}}},
        "responses": {"200": {"description": "Audio", "content": audio}, "default": error},
    }
    probe = {"summary": SUMMARIES["/health"], "responses": ok}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlpo", "version": __version__},
        "paths": {SPEECH: {"post": speech}, **listed, "/health": {"get": probe}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def reference_routes(apis: Sequence[HttpApi]) -> list[web.RouteDef]:
    """`/openapi.json`, and `/docs` for people: every route of the server, without scripts."""
    described = openapi(apis)

    async def document(request: web.Request) -> web.Response:
        return web.json_response(described)

    async def docs(request: web.Request) -> web.Response:
        page = reference_page(apis, request.app[ROUTES], f"{request.scheme}://{request.host}")
        return web.Response(text=page, content_type="text/html", headers=PAGE_HEADERS)

    return [web.get("/openapi.json", document), web.get("/docs", docs)]


def reference_page(apis: Sequence[HttpApi], served: Sequence[tuple[str, str]], address: str) -> str:
    """HTML: the routes of a server, and the fields of its main one.

    Args:
        served: methods and paths.
        address: of this server, for the example.
    """
    routes = _routes(apis, served)
    example = escape(EXAMPLE.replace("http://HOST:PORT", address))
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light"><title>dlpo: HTTP API</title>
<link rel="icon" href="page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page/page.css"><link rel="stylesheet" href="page/docs.css"></head>
<body><header><p class="brand"><img src="page/icon.svg" alt=""><a href="./">dlpo</a></p></header>
<main><h1>HTTP API</h1>
<p>OpenAI's speech API with more fields, and WebSockets for text that is still being written. If the
server asks for a key, send <code>Authorization: Bearer KEY</code>. For tools:
<a href="openapi.json">openapi.json</a>.</p>
<pre class="card" tabindex="0">{example}</pre>
<section class="card"><h2>Routes</h2>{_table(("Route", "What it does"), routes)}</section>
<section class="card"><h2>Fields of POST /v1/audio/speech</h2>
{_table(("Field", "Value", "Meaning"), _fields())}</section>
</main></body></html>
"""


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """HTML of a table that scrolls by itself where it is too wide; its cells are HTML."""
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{titles[0]}s"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _routes(
    apis: Sequence[HttpApi], served: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, ...]]:
    """Each route that the server answers, those of the page's files left out."""
    for api in apis:
        for route in api.routes:
            how = "WebSocket" if route.is_socket else route.method
            yield f"<code>{how} {escape(route.path)}</code>", escape(route.summary)
    for path, summary in SUMMARIES.items():
        if ("GET", path) in served:
            yield f"<code>GET {path}</code>", escape(summary)


def _fields() -> Iterator[tuple[str, ...]]:
    found = schema()
    for name, field in found["properties"].items():
        needed = " <strong>required</strong>" if name in found.get("required", ()) else ""
        meaning = escape(field["description"], quote=False)
        yield f"<code>{name}</code>{needed}", _value(field), meaning


def _value(field: Mapping[str, Any]) -> str:
    """HTML: what a field may be, and its default."""
    default = default_words(field)
    words = values_of(field) + (f"; by default {default}" if default else "")
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(words))
