#!/usr/bin/env python3
"""Speaks requests through every API of the tree that PYTHONPATH names; a hash of each one's audio.

    python scripts/oracle_speech.py REQUESTS.json HASHES.json

Run by `scripts/oracle`. A request goes through one API that answers whole and one that answers in
chunks, alone and among sixteen. Where REQUESTS.json is missing, it is written first: texts of the
working directory's tables of cases, chosen by a fixed seed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from html import escape
from itertools import cycle
from pathlib import Path
from random import Random

import aiohttp
import grpc
from oracle_apis import ROUTES, WAIT_S, Request, Route, Server

REQUESTS, AT_ONCE = 200, 16
SEED = 96
SHORTEST, LONGEST = 12, 70  # characters of a text
SLOW_EVERY = 40  # one request in so many goes through the routes that start a process, too
TABLES = {  # with a text in the second column -> language, voices
    "tests/text/en_us/spoken_cases.tsv": ("en", ("heart", "lj", "michael", "puck", "nova")),
    "tests/text/en_us/agent_texts.tsv": ("en", ("heart", "lj*0.6+heart*0.4", "fenrir")),
    "tests/text/es/spoken_cases.tsv": ("es", ("dora", "alex")),
}
CHOICES = {
    "speed": (0.8, 1.25), "seed": (1, 7), "pitch_semitones": (-2.0, 1.5), "volume_db": (-6.0,),
    "steps": (1, 2), "sentence_pause_s": (0.1,), "sample_rate": (8_000, 16_000, 44_100),
    "ssml": (True,),
}  # fmt: skip
SERVE = (
    "serve", "--port", "0", "--http-port", "0", "--wyoming-port", "0", "--log-format", "json",
    "--peer-share", "1", "--max-first-audio-s", "60", "--queue-s", "60",
)  # fmt: skip
Asked = tuple[Request, list[str]]
"""A request, and the names of the routes that it goes through."""


def chosen_requests() -> list[Asked]:
    """Texts of the tables in turn, routes in turn; voice and settings by chance."""
    random = Random(SEED)
    texts = {path: iter(texts_of(path, random)) for path in TABLES}
    fast = {name: route for name, route in ROUTES.items() if not route.alone}
    whole = cycle(name for name, route in fast.items() if route.whole)
    chunks = cycle(name for name, route in fast.items() if not route.whole)
    asked = []
    for number, path in zip(range(REQUESTS), cycle(TABLES), strict=False):
        routes = [next(whole), next(chunks)]
        if number % SLOW_EVERY == 0:
            routes += ROUTES.keys() - fast.keys()
        taken = sorted(set.intersection(*(ROUTES[name].takes for name in routes)))
        settings = {
            name: random.choice(CHOICES[name])
            for name in random.sample(taken, random.randint(0, min(2, len(taken))))
        }
        language, voices = TABLES[path]
        text = next(texts[path])
        if settings.pop("ssml", False):
            text = f'<speak>{escape(text)} <break time="200ms"/><p>{escape(text[:20])}</p></speak>'
        request = Request(number, language, text, random.choice(voices), settings)
        asked.append((request, routes))
    return asked


def texts_of(path: str, random: Random) -> list[str]:
    """Texts of the driver's own tree, so that both trees speak the same ones."""
    file = Path(__file__).parents[1] / path
    rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()[1:]]
    return random.sample(
        sorted({row[1] for row in rows if SHORTEST <= len(row[1]) <= LONGEST}), REQUESTS
    )


@asynccontextmanager
async def running_server(log: Path) -> AsyncIterator[Server]:
    """`dlpo serve` of this tree on free ports, until the block ends."""
    command = [sys.executable, "-m", "dlpo", *SERVE]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            timeout = aiohttp.ClientTimeout(total=WAIT_S)
            async with (
                grpc.aio.insecure_channel(said["grpc"]) as channel,
                aiohttp.ClientSession(timeout=timeout) as session,
            ):
                url, wyoming = said["http"].rstrip("/"), f"tcp://{said['wyoming']}"
                yield Server(said["grpc"], url, wyoming, channel, session)
        finally:
            process.terminate()


async def hash_of(route: Route, server: Server, request: Request) -> str:
    """Hash and length of the audio, or how the call failed."""
    try:
        async with asyncio.timeout(WAIT_S):
            audio = await route.call(server, request)
    except Exception as error:
        return f"failed: {type(error).__name__} {error}"[:200]
    if not audio:
        return "failed: no audio"
    return f"{hashlib.sha256(audio).hexdigest()[:16]} {len(audio)} bytes"


async def hashes_of(asked: list[Asked], log: Path) -> dict[str, str]:
    """pcm/ROUTE/alone or sixteen/NUMBER-LANGUAGE-SETTINGS -> hash; and whether all of a request
    are the same."""
    calls = []
    for request, routes in asked:
        name = "-".join([f"{request.number:03}", request.language, *request.settings])
        calls += [(ROUTES[route], route, name, request) for route in routes]
    found = {}
    at_once = asyncio.Semaphore(AT_ONCE)
    async with running_server(log) as server:

        async def among_others(route: Route, request: Request) -> str:
            async with at_once:
                return await hash_of(route, server, request)

        for route, path, name, request in calls:
            found[f"pcm/{path}/alone/{name}"] = await hash_of(route, server, request)
        crowd = [call for call in calls if not call[0].alone]
        hashes = await asyncio.gather(*(among_others(c[0], c[3]) for c in crowd))
        for (_, path, name, _), value in zip(crowd, hashes, strict=True):
            found[f"pcm/{path}/sixteen/{name}"] = value
    return found | agreements(found)


def agreements(found: dict[str, str]) -> dict[str, str]:
    """Whether a request's samples are the same whole, in chunks, alone and among sixteen.

    Text that arrives in pieces may be cut elsewhere: it is compared with itself.
    """
    samples: dict[str, dict[str, str]] = {}
    for item, value in found.items():
        _, route, load, name = item.split("/")
        if ROUTES[route].is_pcm:
            text = f"{route}/" if ROUTES[route].in_pieces else ""
            samples.setdefault(f"same/{text}{name}", {})[f"{route} {load}"] = value
    return {
        item: "yes" if len(set(one.values())) == 1 else f"failed: {one}"
        for item, one in samples.items()
    }


def main() -> None:
    requests, out = map(Path, sys.argv[1:])
    if not requests.exists():
        written = [[asdict(request), routes] for request, routes in chosen_requests()]
        new = requests.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(written, indent=1))
        new.rename(requests)
    asked = [(Request(**one), routes) for one, routes in json.loads(requests.read_text())]
    out.write_text(json.dumps(asyncio.run(hashes_of(asked, out.with_suffix(".log"))), indent=1))


if __name__ == "__main__":
    main()
