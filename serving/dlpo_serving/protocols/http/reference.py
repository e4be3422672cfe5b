"""The description of the HTTP API, for tools and for people."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiohttp import web

import dlpo
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.protocols.http.pages import PAGE_HEADERS
from dlpo_serving.protocols.http.speech_body import ENCODINGS, schema

JSON = "application/json"
AUDIO_TYPES = sorted({media_type(one) for one in ENCODINGS.values()})
LISTS = {"voices": "Voices, with their ranges", "audio/voices": "Names of voices",
         "models": "Models", "audio/models": "Names of models"}  # fmt: skip


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
