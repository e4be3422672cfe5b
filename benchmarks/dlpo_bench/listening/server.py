"""A server for one listening test: it shows the page and stores answers."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web

from dlpo.errors import DataError, InputError
from dlpo.operating_system import call_on_stop
from dlpo_bench.listening.answers import AUDIO, PAGE, AnswerKey, AnswerStore, parse_answer, read_key
from dlpo_serving.protocols.http.connections import owner_of
from dlpo_serving.protocols.http.hosts import check_host, hosts_of
from dlpo_serving.protocols.http.pages import PAGE_HEADERS
from dlpo_serving.protocols.http.server import EVERY_REPLY, listening
from dlpo_serving.protocols.http.speech_socket import is_same_origin

PER_ADDRESS = 500  # sittings, so that one client can't take all that a test has room for
BODY_BYTES = 4_096  # an answer takes about 400
FULL = (errno.ENOSPC, errno.EDQUOT)
HEADERS = {
    **EVERY_REPLY,
    **PAGE_HEADERS,
    "Content-Security-Policy": f"{PAGE_HEADERS['Content-Security-Policy']}; media-src 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visitors:
    """By which names raters may come, and what they have begun."""

    hosts: frozenset[str]
    """empty for all"""
    sittings: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """address -> ids of the sittings that began there"""


VISITORS = web.AppKey("visitors", Visitors)


def build_app(
    folder: Path, store: AnswerStore | None = None, hosts: frozenset[str] = frozenset()
) -> web.Application:
    """The application for the test in a folder, for `dlpo_serving.protocols.http.listening`.

    It serves the files of the page by exact name only, and accepts answers at `POST /answers`: 200
    once an answer is on the disk, 400 for an invalid one, 507 if the disk is full. Answers can't be
    read back, and pages of other origins can't post any.

    `hosts`: names by which the server may be addressed; empty for all.

    Raises:
        DataError: the test is damaged.
    """
    key = read_key(folder)
    page = folder / PAGE
    audio = {f"/{AUDIO}/{name}.wav" for trial in key.trials for name in trial.sounds}
    files = {"/": page / "index.html"}
    files |= {f"/{path.name}": path for path in page.glob("*.*") if path.name != "index.html"}
    files |= {path: page / path[1:] for path in sorted(audio)}
    if missing := sorted(str(path) for path in files.values() if not path.is_file()):
        raise DataError(f"{folder} lacks {', '.join(missing[:3])}; make the test again")
    app = web.Application(middlewares=[_errors_as_json], client_max_size=BODY_BYTES)
    app[VISITORS] = Visitors(hosts)
    app.add_routes([web.get(path, partial(_send, file)) for path, file in files.items()])
    app.add_routes([web.post("/answers", partial(_take, key, store or AnswerStore(folder, key)))])
    app.on_response_prepare.append(_add_headers)
    return app


async def serve(
    folder: Path,
    host: str,
    port: int,
    ready: Callable[[int], None],
    allowed: Sequence[str] = (),
) -> None:
    """Serve the test until SIGINT or SIGTERM.

    Args:
        folder: of the test.
        host, port: where to listen; port 0 lets the system choose.
        ready: called with the port once raters can connect.
        allowed: further names for a server on a loopback address, see `hosts_of`.

    Raises:
        DataError: the test is damaged.
        InputError: the address can't be bound.
    """
    stop = asyncio.Event()
    call_on_stop(stop.set)
    app = build_app(folder, hosts=hosts_of(host, allowed))
    async with listening(app, host, port) as port:
        ready(port)
        await stop.wait()


async def _take(key: AnswerKey, store: AnswerStore, request: web.Request) -> web.Response:
    """Write an answer to disk; the limit on connections bounds how many do so concurrently."""
    if not is_same_origin(request):
        raise web.HTTPForbidden(text="answers are taken from this server's own page alone")
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="expected Content-Type: application/json")
    try:
        answer = parse_answer(await request.read(), key)
        _count(request, answer.session)
        # A rater who disconnects now must not leave half an answer.
        is_new = await asyncio.shield(asyncio.to_thread(store.add, answer))
    except InputError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    except OSError as error:
        _log.error("an answer could not be stored: %s", error)
        if error.errno in FULL:
            raise web.HTTPInsufficientStorage(text="the disk is full; send it later") from error
        raise web.HTTPServiceUnavailable(text="it could not be stored; send it later") from error
    state = "stored" if is_new else "stored already"
    _log.info("session %s trial %s: %s", answer.session[:8], answer.trial, state)
    return web.json_response({"stored": answer.revision})


def _count(request: web.Request, session: str) -> None:
    """Raise HTTPTooManyRequests if this address has begun as many sittings as one may."""
    begun = request.app[VISITORS].sittings[owner_of([request.remote])]
    if session not in begun and len(begun) >= PER_ADDRESS:
        raise web.HTTPTooManyRequests(text=f"{PER_ADDRESS} sittings came from this address")
    begun.add(session)


async def _send(file: Path, _: web.Request) -> web.StreamResponse:
    return web.FileResponse(file)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        check_host(request, request.app[VISITORS].hosts)
        return await handler(request)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response({"error": error.text}, status=error.status, headers=allow)
    except ConnectionResetError:  # the rater disconnected
        return web.Response()
    except Exception:  # the process boundary: raters must get a reply
        _log.exception("internal error")
        return web.json_response({"error": "internal error; send it later"}, status=500)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
