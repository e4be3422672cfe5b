"""The description of the HTTP API, for tools and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from aiohttp import web

from dlpo.version import __version__
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.protocols.http.pages import PAGE_HEADERS
from dlpo_serving.protocols.http.speech_body import ENCODINGS, schema

JSON = "application/json"
AUDIO_TYPES = sorted({media_type(one) for one in ENCODINGS.values()})
LISTS = {"voices": "Voices, with their ranges", "audio/voices": "Names of voices",
         "models": "Models", "audio/models": "Names of models"}  # fmt: skip
SOCKET = "WebSocket"
# Path, or method and path -> how it is called, if not by a plain request; what it does.
ROUTES = {
    "/v1/audio/speech": ("", "Speak a text; the reply starts with the first audio"),
    "/v1/audio/speech/stream": (SOCKET, "Text in pieces in, audio out, with times of words"),
    "/v1/text-to-speech/{voice}/stream-input": (SOCKET, "The same in ElevenLabs' messages"),
    "/v1/text-to-speech/{voice}/multi-stream-input": (
        SOCKET, "Several texts over one connection, in ElevenLabs' messages",
    ),
    "/v1/text-to-speech/{voice}": ("", "ElevenLabs' API: a text in, audio out"),
    "/v1/text-to-speech/{voice}/stream": ("", "The same, streamed"),
    "/v1/text-to-speech/{voice}/with-timestamps": ("", "The same with times of characters"),
    "/v1/text-to-speech/{voice}/stream/with-timestamps": ("", "Both"),
    "POST /v1/speak": ("", "Deepgram's API: a text in, audio out"),
    "GET /v1/speak": (SOCKET, "The same for text in pieces"),
    "/tts/bytes": ("", "Cartesia's API: a text in, audio out"),
    "/tts/sse": ("", "The same as events"),
    "/tts/websocket": (SOCKET, "The same for text in pieces"),
    "/voices": ("", "Cartesia's API: the voices"),
    "/voices/{voice}": ("", "One voice"),
    "/dev/captioned_speech": ("", "Kokoro-FastAPI's API: audio with times of words"),
    "POST /v1/jambonz": ("", "jambonz's custom speech: a text in, audio out"),
    "GET /v1/jambonz": (SOCKET, "The same for text in pieces"),
    "/v1/vapi": ("", "Vapi's custom voice: a text in, samples out"),
    "/v1/detect": ("", "Audio in: whether dlpo spoke in it, by the mark in its noise"),
    "/v1/realtime": (SOCKET, "Events of OpenAI's Realtime API, or with intent=synthesize Riva's"),
    "/v1/realtime/synthesis_sessions": ("", "Riva's realtime API: a session's defaults"),
    "/v1/audio/list_voices": ("", "Riva's realtime API: voices by language"),
    **{f"/v1/{name}": ("", summary) for name, summary in LISTS.items()},
    "/v1/models/{model}": ("", "One model"),
    "/health": ("", "Whether the server accepts calls, in JSON"),
    "/healthz": ("", "200 while the process works"),
    "/readyz": ("", "200 while the server accepts calls, else 503"),
    "/metrics": ("", "Metrics for Prometheus"),
    "/openapi.json": ("", "This API for tools, OpenAPI 3.1"),
    "/docs": ("", "This page"),
    "/": ("", "The page to type into"),
}  # fmt: skip
MEANINGS = {  # of the fields of POST /v1/audio/speech
    "model": "any of /v1/models: the voice decides",
    "input": "the text, or an SSML document",
    "voice": "a name from /v1/voices or of OpenAI's and Kokoro's, or a mix such as"
    " lj*0.6+nova*0.4; by default the server's first",
    "instructions": "accepted and ignored: the voices have no adjustable style",
    "response_format": "format of the audio; pcm has 16 bits and no header",
    "speed": "1 is the voice's own",
    "stream_format": "audio alone, OpenAI's events, or dlpo's events with times of words",
    "stream": "start even a short WAV before its length is known",
    "sample_rate": "hertz; by default the format's usual one",
    "seed": "the same seed gives the same audio",
    "steps": "reverse steps of the diffusion: more take longer",
    "pitch_semitones": "higher above 0, lower below",
    "volume_db": "louder above 0; peaks are limited",
    "ssml": "read the text as SSML even if it doesn't begin with <speak>; strict refuses what"
    " can't be followed",
    "code": "code blocks: announce that there is one, speak it, or skip it",
    "emoji": "skip them, or say their names",
    "dates": "whether 3/4 is March or April",
    "directions": "leave out stage directions such as *laughs*",
    "language": "of the text, such as es-MX; by default the voice's",
    "dictionary": "how words are said: {\"dlpo\": \"D IY1 EH1 L P IY1 OW1\"}",
    "sentence_pause_s": "seconds between sentences",
    "paragraph_pause_s": "seconds after an empty line",
    "lead_in_s": "seconds of silence before the first sentence",
    "timeout_s": "seconds to wait for the whole reply",
}  # fmt: skip
EXAMPLE = """curl http://HOST:PORT/v1/audio/speech -H 'Content-Type: application/json' \\
  -d '{"input": "Your table is booked.", "voice": "heart"}' -o speech.mp3"""


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
        "summary": ROUTES["/v1/audio/speech"][1],
        "security": token,
        "requestBody": {"required": True, "content": {JSON: {"schema": schema()}}},
        "responses": {"200": {"description": "Audio", "content": audio}, "default": error},
    }
    probe = {"summary": "Whether the server accepts calls", "responses": ok}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlpo", "version": __version__},
        "paths": {"/v1/audio/speech": {"post": speech}, **listed, "/health": {"get": probe}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def reference_routes() -> list[web.RouteDef]:
    """`/openapi.json`, and `/docs` for people: every route of the server, without scripts."""
    described = openapi()

    async def document(request: web.Request) -> web.Response:
        return web.json_response(described)

    async def docs(request: web.Request) -> web.Response:
        page = reference_page(request.app, f"{request.scheme}://{request.host}")
        return web.Response(text=page, content_type="text/html", headers=PAGE_HEADERS)

    return [web.get("/openapi.json", document), web.get("/docs", docs)]


def reference_page(app: web.Application, address: str) -> str:
    """HTML: the routes of a server, and the fields of its main one.

    Args:
        address: of this server, for the example.
    """
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
<section class="card"><h2>Routes</h2>{_table(("Route", "What it does"), _routes(app))}</section>
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


def _routes(app: web.Application) -> Iterator[tuple[str, ...]]:
    """Each route that the application answers, those of the page's files left out."""
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method not in ("GET", "POST") or path.startswith(("/page/", "/favicon")):
            continue
        named = ROUTES.get(f"{route.method} {path}")
        kind, summary = named or ROUTES.get(path, ("", ""))
        yield f"<code>{kind or route.method} {escape(path)}</code>", escape(summary)


def _fields() -> Iterator[tuple[str, ...]]:
    found = schema()
    for name, field in found["properties"].items():
        needed = " <strong>required</strong>" if name in found.get("required", ()) else ""
        meaning = escape(MEANINGS.get(name, ""), quote=False)
        yield f"<code>{name}</code>{needed}", _value(field), meaning


def _value(field: Mapping[str, Any]) -> str:
    """HTML: what a field may be, and its default."""
    if "enum" in field:
        kind = ", ".join(f"<code>{escape(one)}</code>" for one in field["enum"] if one)
    else:
        kinds = field.get("anyOf", [field])
        kind = next(one["type"] for one in kinds if one["type"] != "null")
    if "minimum" in field and "maximum" in field:
        kind += f", {field['minimum']:g} to {field['maximum']:g}"
    default = field.get("default")
    if default in (None, "", {}, float("inf")):
        return kind
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"{kind}; by default <code>{escape(shown)}</code>"
