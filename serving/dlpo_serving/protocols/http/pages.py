"""The page to try the server with: its files, and how browsers may use them."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from aiohttp import web

from dlpo.version import __version__
from dlpo_serving.voices.names import about_voices

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


def page_routes() -> list[web.RouteDef]:
    """`/` and the files it loads, the icon that browsers ask for by themselves, and no others."""
    folder = Path(__file__).with_name("page")
    files = [file for file in folder.iterdir() if file.suffix in (".html", ".css", ".js", ".svg")]
    sent = {"/" if file.name == "index.html" else f"/page/{file.name}": file for file in files}
    sent["/favicon.ico"] = folder / "icon.svg"
    contents = {name: file.read_bytes() for name, file in sent.items()}
    contents["/"] = contents["/"].replace(b"<!-- version -->", _version().encode())
    routes = [web.get(name, _sender(sent[name].name, contents[name])) for name in sent]
    about = {name: str(voice) for name, voice in about_voices().items()}
    return [*routes, web.get("/page/about.json", _sender("about.json", json.dumps(about).encode()))]


def _version() -> str:
    """What the main page says of this dlpo, with a link to the project if it is known."""
    about = f"dlpo {__version__}"
    with suppress(metadata.PackageNotFoundError):  # run from a folder, without an installation
        for url in (metadata.metadata("dlpo").get_all("Project-URL") or [])[:1]:
            about = f'<a href="{url.partition(", ")[2]}">{about}</a>'
    return about


def _sender(name: str, content: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Send a file as it is now; its ETag is a content hash, since images clamp mtimes."""
    tag = hashlib.sha256(content).hexdigest()
    kind = mimetypes.guess_type(name)[0]
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
